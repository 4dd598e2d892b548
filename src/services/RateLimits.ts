/**
 * The rules of Effect's rate limiter as pure functions: from the state of a key and what is asked for to the next state
 * and the answer. Times are milliseconds since 1970.
 *
 * A clock that is set back prolongs no limit: no state lies further in the future than the rule that made it allows.
 *
 * @internal
 */
import type { AdaptivePhase } from "effect/persistence/RateLimiter"

/** The state of a key. It can be forgotten when it has expired. */
export type State = Window | Bucket | Adaptive

/** Tokens that were taken since the window has begun, and its end. */
export interface Window {
  readonly count: number
  readonly beganAt: number
  readonly expiresAt: number
}

/** The bucket is full when it expires. */
export interface Bucket {
  readonly tokens: number
  readonly refilledAt: number
  readonly expiresAt: number
}

/** What was learned from the refusals of a service. */
export interface Adaptive {
  readonly phase: Exclude<AdaptivePhase, "inactive">
  readonly epoch: number
  readonly cooldownUntil: number
  readonly learningSince: number
  readonly observed: number
  readonly learnedLimit: number
  readonly learnedWindow: number
  readonly expiresAt: number
}

/** The next state, or none, and the answer. */
export type Step<S, A> = readonly [next: S | undefined, answer: A]

/** The count may exceed the limit: then nothing was taken. */
export const takeInWindow = (
  known: Window | undefined,
  now: number,
  { limit, refillMillis, tokens }: {
    readonly tokens: number
    readonly refillMillis: number
    readonly limit: number | undefined
  }
): Step<Window, readonly [count: number, ttl: number]> => {
  const live = known !== undefined && known.expiresAt > now ? known : { count: 0, beganAt: now, expiresAt: now }
  const count = live.count + tokens
  const beganAt = Math.min(live.beganAt, now)
  const end = live.expiresAt - (live.beganAt - beganAt)
  if (limit !== undefined && limit > 0 && count > limit) return [known, [count, end - now]]
  const next = { count, beganAt, expiresAt: end + refillMillis * tokens }
  return [next, [count, next.expiresAt - now]]
}

/** What is left may be negative: then nothing was taken, unless overflow is allowed. */
export const takeFromBucket = (
  known: Bucket | undefined,
  now: number,
  { allowOverflow, limit, refillMillis, tokens }: {
    readonly tokens: number
    readonly refillMillis: number
    readonly limit: number
    readonly allowOverflow: boolean
  }
): Step<Bucket, readonly [remaining: number, elapsedMillis: number]> => {
  const before = known ?? { tokens: limit, refilledAt: now }
  const refills = Math.max(0, Math.floor((now - before.refilledAt) / refillMillis))
  const available = refills > 0 ? Math.min(limit, before.tokens + refills) : before.tokens
  const boundary = before.refilledAt + refills * refillMillis
  const refilledAt = available >= limit ? now : Math.min(boundary, now)
  const remaining = available - tokens
  const left = allowOverflow || remaining >= 0 ? remaining : available
  const expiresAt = refilledAt + Math.max(0, Math.ceil(limit - left)) * refillMillis
  return [{ tokens: left, refilledAt, expiresAt }, [remaining, Math.max(0, now - refilledAt)]]
}

/** The state of an adaptive limit is kept for so long after its last use. */
const grace = 60_000
const longestWindow = 60 * 60 * 1000

const bounded = (millis: number): number => Number.isNaN(millis) || millis <= 0 ? 1 : Math.min(millis, longestWindow)

const liveOf = (known: Adaptive | undefined, now: number): Adaptive | undefined =>
  known !== undefined && known.expiresAt > now ? known : undefined

const nothingLearned = { learningSince: 0, observed: 0, learnedLimit: 0, learnedWindow: 0 }

const coolingDown = (epoch: number, until: number): Adaptive => ({
  phase: "cooldown",
  epoch,
  cooldownUntil: until,
  ...nothingLearned,
  expiresAt: until + grace
})

interface Consumed {
  readonly delayMillis: number
  readonly epoch: number
  readonly phase: AdaptivePhase
}

/** Tokens of a learned limit: after the limit of a window the next window has to begin. */
const consumeLearned = (state: Adaptive, now: number, tokens: number): Step<Adaptive, Consumed> => {
  const isOver = state.cooldownUntil <= now
  const refillMillis = state.learnedWindow / state.learnedLimit
  const observed = (isOver ? 0 : state.observed) + tokens
  const cooldownUntil = (isOver ? now : state.cooldownUntil) + refillMillis * tokens
  const elapsed = observed * refillMillis - (cooldownUntil - now)
  const windows = Math.floor((observed - 1) / state.learnedLimit)
  const delayMillis = Math.max(0, windows * state.learnedWindow - elapsed)
  return [{ ...state, observed, cooldownUntil }, { delayMillis, epoch: state.epoch, phase: state.phase }]
}

export const consume = (
  known: Adaptive | undefined,
  now: number,
  { fallbackMillis, tokens }: { readonly tokens: number; readonly fallbackMillis: number }
): Step<Adaptive, Consumed> => {
  const state = liveOf(known, now)
  if (state === undefined) return [undefined, { delayMillis: 0, epoch: 0, phase: "inactive" }]
  const { epoch, phase } = state
  if (phase === "learned") return consumeLearned(state, now, tokens)
  if (phase === "learning") return [{ ...state, observed: state.observed + tokens }, { delayMillis: 0, epoch, phase }]
  const delayMillis = Math.min(state.cooldownUntil - now, longestWindow)
  if (delayMillis > 0) return [state, { delayMillis, epoch, phase }]
  const learning: Adaptive = {
    ...state,
    phase: "learning",
    epoch: epoch + 1,
    learningSince: now,
    observed: tokens,
    expiresAt: now + fallbackMillis + grace
  }
  return [learning, { delayMillis: 0, epoch: learning.epoch, phase: "learning" }]
}

/** A refusal while the limit is learned: what was accepted until then is the limit of the time until it is over. */
const learned = (state: Adaptive, now: number, tokens: number, retryAfter: number): Adaptive => {
  const accepted = state.observed - tokens
  if (accepted <= 0) return coolingDown(state.epoch, now + retryAfter)
  const window = bounded(now - state.learningSince + retryAfter)
  return {
    ...state,
    phase: "learned",
    epoch: state.epoch + 1,
    cooldownUntil: state.learningSince + window,
    observed: accepted,
    learnedLimit: accepted,
    learnedWindow: window,
    expiresAt: now + window + grace
  }
}

/** The state after a refusal with a time after which to try again. Refusals of an earlier epoch change nothing. */
export const refused = (
  known: Adaptive | undefined,
  now: number,
  { epoch, retryAfterMillis, tokens }: {
    readonly epoch: number
    readonly tokens: number
    readonly retryAfterMillis: number
  }
): Adaptive | undefined => {
  const state = liveOf(known, now)
  const retryAfter = bounded(retryAfterMillis)
  if ((state?.epoch ?? 0) !== epoch) return state
  switch (state?.phase) {
    case undefined:
    case "learned":
      return coolingDown(epoch, now + retryAfter)
    case "cooldown":
      return coolingDown(epoch, Math.max(state.cooldownUntil, now + retryAfter))
    case "learning":
      return learned(state, now, tokens, retryAfter)
  }
}
