/**
 * Requests that are sent again because their answer was lost: whoever names a change by a key of its own gets the answer
 * of the first request, instead of another change.
 *
 * Answers are kept in memory for a while, so that a server that was started again does not have them. A request whose
 * client is gone goes on to its end. What has failed is not kept: it is tried again.
 *
 * @internal
 */
import { Clock, Deferred, Effect, Exit } from "effect"
import * as Platform from "../Platform.ts"
import type { Caller } from "./Grants.ts"
import * as Problem from "./Problem.ts"

/** The header that has the key of a change. */
export const header = "idempotency-key"

/** What a request is, and its key. */
export interface Request {
  readonly caller: Caller["Service"]
  readonly key: string | undefined
  readonly operation: string
  readonly payload: unknown
}

export interface Idempotency {
  /** Runs the change, or waits for the answer of the same request before it. */
  readonly once: <A, E>(
    request: Request,
    change: Effect.Effect<A, E>
  ) => Effect.Effect<A, E | Problem.KeyReused | Problem.ValueOutOfRange>
}

interface Known {
  /** Of the operation and its payload. */
  readonly fingerprint: string
  readonly answer: Deferred.Deferred<unknown, unknown>
  readonly since: number
}

export interface Options {
  /** Milliseconds. */
  readonly keepFor: number
  readonly maxKeys: number
}

const encoder = new TextEncoder()

const fingerprintOf = ({ operation, payload }: Request): string =>
  Platform.sha256(encoder.encode(JSON.stringify([operation, payload])))

const isKey = /^[\x21-\x7e]{1,255}$/

const malformed = new Problem.ValueOutOfRange({
  detail: "an idempotency key has 1 to 255 characters, which are letters, digits and signs of ASCII without spaces"
})

const reused = new Problem.KeyReused({
  detail: "this key was sent with another request before; draw a new key for each change, and keep it for retries alone"
})

export const make = Effect.fnUntraced(function*({ keepFor, maxKeys }: Options) {
  const scope = yield* Effect.scope
  /** In the order in which they came. */
  const known = new Map<string, Known>()

  const forget = (now: number) => {
    for (const [id, { since }] of known) {
      if (since > now - keepFor && known.size < maxKeys) break
      known.delete(id)
    }
  }

  const idempotency: Idempotency = {
    once: <A, E>(request: Request, change: Effect.Effect<A, E>) =>
      Effect.gen(function*() {
        if (request.key === undefined) return yield* change
        if (!isKey.test(request.key)) return yield* malformed
        const now = yield* Clock.currentTimeMillis
        forget(now)
        const id = `${request.caller.id} ${request.key}`
        const fingerprint = fingerprintOf(request)
        const before = known.get(id)
        if (before !== undefined) {
          if (before.fingerprint !== fingerprint) return yield* reused
          return yield* Deferred.await(before.answer as Deferred.Deferred<A, E>)
        }
        const answer = Deferred.makeUnsafe<A, E>()
        known.set(id, { fingerprint, answer: answer as Deferred.Deferred<unknown, unknown>, since: now })
        yield* change.pipe(
          Effect.onExit((exit) => {
            if (Exit.isFailure(exit)) known.delete(id)
            return Deferred.done(answer, exit)
          }),
          Effect.exit,
          Effect.forkIn(scope)
        )
        return yield* Deferred.await(answer)
      })
  }
  return idempotency
})
