/**
 * The faults of a simulated storage, and how often they occur.
 *
 * A `Profile` has a probability for each kind of fault, and a script, which defines the fault of the n-th call of an
 * operation. The n-th call of an operation has the same fault in every run of a seed, independent of the other calls.
 *
 * @example
 * ```ts
 * import { Faults } from "tidemark/testing"
 *
 * const slowNetwork: Faults.Profile = { ...Faults.none, slow: 0.5, slowMillis: 2_000 }
 * // The third append is applied, but its caller receives `Indeterminate`.
 * const scripted: Faults.Profile = { ...Faults.none, script: { append: { 3: "applied" } } }
 * ```
 *
 * @since 0.1.0
 */
import { Context, Effect, Layer, Random } from "effect"
import { Indeterminate, OutOfSpace, Unavailable } from "../../PersistError.ts"
import * as Prng from "../Prng.ts"
import * as Replay from "../Replay.ts"
import * as Trace from "../Trace.ts"

/**
 * The operations of `Log` and `Blob`, and those of a simulated disk below them, from `write` on.
 *
 * @category models
 * @since 0.1.0
 */
export type Operation =
  | "acquire"
  | "append"
  | "truncate"
  | "rotate"
  | "bounds"
  | "read"
  | "put"
  | "get"
  | "delete"
  | "list"
  | "write"
  | "sync"
  | "open"
  | "truncate file"
  | "read file"
  | "stat"
  | "set times"
  | "make directory"
  | "rename"
  | "link"
  | "remove"
  | "list directory"
  | "sync directory"

/**
 * The faults of a call.
 *
 * - `unavailable`: it fails with `Unavailable`, and has no effect. A disk fails with an I/O error, half-way.
 * - `slow`: it takes up to `slowMillis` longer.
 * - `applied`: a write is applied, but fails with `Indeterminate`.
 * - `late`: a write fails with `Indeterminate`, and is applied up to `slowMillis` later, also if its caller has died.
 *   An append is not applied if a newer writer has fenced its own by then.
 * - `lost`: a write fails with `Indeterminate`, and is never applied.
 * - `full`: a write fails with `OutOfSpace`, and has no effect.
 * - `stale`: a list shows the blobs at the time of the previous list.
 * - `rot`: one bit of what is read is wrong: for a log entry or blob always the same bit.
 *
 * These happen to calls of a simulated disk only:
 *
 * - `refused`: it has no effect, and fails with EIO, ENOSPC, EMFILE or EACCES.
 * - `broken`: it is applied, and fails with EIO.
 * - `stopped`: the process that makes the call is stopped before or after it, for up to `stopMillis`.
 *
 * @category models
 * @since 0.1.0
 */
export type Kind =
  | "unavailable"
  | "slow"
  | "applied"
  | "late"
  | "lost"
  | "full"
  | "stale"
  | "rot"
  | "refused"
  | "broken"
  | "stopped"

/**
 * The probability of each kind, from 0 to 1, for a call that can have it; for `rot`, for a log entry or a blob.
 *
 * @category models
 * @since 0.1.0
 */
export interface Profile extends Readonly<Record<Kind, number>> {
  /** The longest delay of `slow` and `late`, in milliseconds of virtual time. */
  readonly slowMillis: number
  /** The longest time for which a process is stopped, in milliseconds of virtual time. */
  readonly stopMillis: number
  /** How often in a row a call of a simulated disk is refused or broken at most, once it is; at least 1. */
  readonly streak: number
  /** The fault of the n-th call of an operation, counted from 1. It overrides the probabilities. */
  readonly script?: { readonly [O in Operation]?: { readonly [call: number]: Kind } } | undefined
}

/**
 * No faults.
 *
 * @category profiles
 * @since 0.1.0
 */
export const none: Profile = {
  unavailable: 0,
  slow: 0,
  applied: 0,
  late: 0,
  lost: 0,
  full: 0,
  stale: 0,
  rot: 0,
  refused: 0,
  broken: 0,
  stopped: 0,
  slowMillis: 50,
  stopMillis: 2_000,
  streak: 1
}

/**
 * Occasional faults: now and then a call is slow, fails, or has an unknown outcome.
 *
 * @category profiles
 * @since 0.1.0
 */
export const mild: Profile = {
  ...none,
  unavailable: 0.02,
  slow: 0.05,
  applied: 0.005,
  late: 0.005,
  lost: 0.005,
  full: 0.002,
  stale: 0.05
}

/**
 * All faults that a correct store survives without a loss, all the time. It has no `rot`, which a store can only
 * detect.
 *
 * @category profiles
 * @since 0.1.0
 */
export const harsh: Profile = {
  ...none,
  unavailable: 0.1,
  slow: 0.2,
  applied: 0.03,
  late: 0.03,
  lost: 0.03,
  full: 0.02,
  stale: 0.2,
  slowMillis: 500
}

/**
 * A disk that fails, and a machine that stops processes. Every call of a simulated disk can fail, also several times in
 * a row, before or after it is applied, and its process can be stopped at it.
 *
 * @category profiles
 * @since 0.1.0
 */
export const disk: Profile = { ...none, slow: 0.02, refused: 0.01, broken: 0.005, stopped: 0.01, streak: 15 }

/** The faults that every call of a simulated disk can have. */
const ofDisks = ["refused", "broken", "stopped"] as const

/** The kinds that a call can have, in the order of their random draws. */
const meets: Readonly<Record<Operation, ReadonlyArray<Exclude<Kind, "rot">>>> = {
  acquire: ["unavailable", "slow"],
  append: ["unavailable", "slow", "applied", "late", "lost", "full"],
  truncate: ["unavailable", "slow", "applied", "late", "lost"],
  rotate: ["unavailable", "slow"],
  bounds: ["unavailable", "slow"],
  read: ["unavailable", "slow"],
  put: ["unavailable", "slow", "applied", "late", "lost", "full"],
  get: ["unavailable", "slow"],
  delete: ["unavailable", "slow", "applied", "late", "lost"],
  list: ["unavailable", "slow", "stale"],
  write: ["unavailable", "slow", "full", ...ofDisks],
  sync: ["unavailable", "slow", ...ofDisks],
  open: ofDisks,
  "truncate file": ofDisks,
  "read file": ofDisks,
  stat: ofDisks,
  "set times": ofDisks,
  "make directory": ofDisks,
  rename: ofDisks,
  link: ofDisks,
  remove: ofDisks,
  "list directory": ofDisks,
  "sync directory": ofDisks
}

const operations = Object.keys(meets) as ReadonlyArray<Operation>

/** The fault of a call. */
export interface Fate {
  readonly kind: Exclude<Kind, "rot"> | undefined
  /** In milliseconds, for `slow`, `late` and `stopped`. */
  readonly delay: number
  /** In [0, 2^32): decides the details of the kind. */
  readonly choice: number
}

/** A fault that continues for some calls. */
interface Streak {
  readonly kind: Kind | undefined
  left: number
}

/**
 * Decides the fault of each call. The decorators of a storage share one injector.
 *
 * @category services
 * @since 0.1.0
 */
export class Injector extends Context.Service<Injector, {
  /** @internal */
  readonly next: (operation: Operation) => Fate
  /** The bytes of a log entry or blob as they are read: the same, or a copy with one wrong bit. @internal */
  readonly rotten: (name: string, offset: number, bytes: Uint8Array) => Uint8Array
  /** Applies a write when the delay is over, also if its caller has died. @internal */
  readonly later: (write: Effect.Effect<unknown, unknown>, delay: number) => Effect.Effect<void>
  /** The number of faults so far. */
  readonly count: () => number
  /** Stops the faults, or resumes them. */
  readonly pause: (isPaused: boolean) => void
  /** Whether `pause` has stopped them. */
  readonly isPaused: () => boolean
}>()("tidemark/testing/Injector") {}

/** What faults are drawn from. */
export interface Options {
  readonly profile: Profile
  readonly seed: number
  readonly faults: Replay.Counter
  readonly trace: Trace.Trace
  /** Late writes run in this scope: these fibers outlive the callers. */
  readonly surroundings: Context.Context<never>
}

const fine: Fate = { kind: undefined, delay: 0, choice: 0 }
/** Blobs rot within their first bytes, which a reader certainly reads. */
const rottenBytes = 256

/** Faults that the seed decides: the same calls in the same order meet the same faults. */
export const make = ({ faults, profile, seed, surroundings, trace }: Options): Injector["Service"] => {
  const calls = new Map<Operation, number>()
  const streaks = new Map<Operation, Streak>()
  let count = 0
  let isPaused = false

  const cast = (operation: Operation, random: Prng.Prng): Fate["kind"] => {
    let dice = random.u32() / 4_294_967_296
    for (const kind of meets[operation]) {
      if (dice < profile[kind]) return kind
      dice -= profile[kind]
    }
    return undefined
  }

  /** As `cast`, or the fault of the previous call, if it continues. */
  const fall = (operation: Operation, random: Prng.Prng): Kind | undefined => {
    const begun = streaks.get(operation)
    if (begun !== undefined && begun.left > 0) {
      begun.left--
      return begun.kind
    }
    const kind = cast(operation, random)
    if (profile.streak > 1 && (kind === "refused" || kind === "broken")) {
      streaks.set(operation, { kind, left: random.int(profile.streak) })
    }
    return kind
  }

  /** Rot belongs to no call: it is there at every read. */
  const rotten = (name: string, offset: number, bytes: Uint8Array): Uint8Array => {
    if (profile.rot === 0) return bytes
    const hash = Trace.make()
    hash.text(name)
    const random = Prng.make(Prng.split(seed, Number.parseInt(hash.hash().slice(0, 8), 16)))
    if (!random.chance(profile.rot)) return bytes
    const at = random.int(rottenBytes) - offset
    if (at < 0 || at >= bytes.length) return bytes
    const copy = bytes.slice()
    copy[at]! ^= 1 << random.int(8)
    count++
    return copy
  }

  return {
    next: (operation) => {
      const call = (calls.get(operation) ?? 0) + 1
      calls.set(operation, call)
      trace.text(operation)
      if (isPaused) return fine
      const random = Prng.make(Prng.split(seed, operations.indexOf(operation) * 0x0100_0000 + call))
      const kind = profile.script?.[operation]?.[call] ?? fall(operation, random)
      if (kind === undefined || kind === "rot" || !faults.next()) return fine
      trace.text(kind)
      count++
      const longest = kind === "stopped" ? profile.stopMillis : profile.slowMillis
      return { kind, delay: 1 + random.int(longest), choice: random.u32() }
    },
    rotten,
    later: (write, delay) =>
      Effect.ignoreCause(Effect.delay(write, delay)).pipe(
        Effect.provideContext(surroundings),
        Effect.forkDetach({ startImmediately: true }),
        Effect.asVoid
      ),
    count: () => count,
    pause: (paused) => void (isPaused = paused),
    isPaused: () => isPaused
  }
}

/**
 * An injector outside of a simulation, with a seed from `Random`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (profile: Profile): Layer.Layer<Injector> =>
  Layer.effect(
    Injector,
    Effect.gen(function*() {
      const seed = yield* Random.nextInt
      const surroundings = yield* Effect.context<never>()
      return make({ profile, seed, surroundings, faults: Replay.counter(undefined), trace: Trace.make() })
    })
  )

/**
 * Applies the fault of a call. The delay of `slow` is before the call, so that others may come first. Only a write can
 * have a fault with an unknown outcome.
 *
 * @internal
 */
export const meet = <A, E, R>(
  injector: Injector["Service"],
  operation: Operation,
  call: (fate: Fate) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | Unavailable | OutOfSpace, R> =>
  Effect.suspend((): Effect.Effect<A, E | Unavailable | OutOfSpace, R> => {
    const fate = injector.next(operation)
    switch (fate.kind) {
      case "unavailable":
        return Effect.fail(new Unavailable({ operation, detail: "made to fail by the simulation" }))
      case "full":
        return Effect.fail(new OutOfSpace({ location: "simulation", detail: `no space for "${operation}"` }))
      case "slow":
        return Effect.delay(call(fate), fate.delay)
      default:
        return call(fate)
    }
  })

/** Whether the caller of a write does not learn its outcome. @internal */
export const isUnheard = ({ kind }: Fate): boolean => kind === "applied" || kind === "late" || kind === "lost"

/** A write with an unknown outcome. @internal */
export const unheard = (
  injector: Injector["Service"],
  operation: Operation,
  { delay, kind }: Fate,
  write: Effect.Effect<unknown, unknown>
): Effect.Effect<never, Indeterminate> => {
  const unknown = Effect.fail(new Indeterminate({ operation, detail: "made to be unknown by the simulation" }))
  if (kind === "lost") return unknown
  return Effect.andThen(kind === "late" ? injector.later(write, delay) : Effect.ignoreCause(write), unknown)
}
