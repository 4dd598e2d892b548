/**
 * Hints to the other tabs and workers that a log has grown: a `BroadcastChannel`, and polling.
 *
 * @internal
 */
import { Effect, PubSub, type Scope, Stream } from "effect"
import type { StorageError } from "../PersistError.ts"
import * as Polling from "../storage/Polling.ts"

export interface Hints {
  /** Tells everybody, this opener too. */
  readonly tell: () => void
  /** Ticks when the log may have grown. */
  readonly changes: (upper: Effect.Effect<number, StorageError>) => Stream.Stream<void>
}

const poll: Polling.Options = { shortest: "250 millis", longest: "5 seconds" }

/** Polls whether the log has grown, since hints may be lost. */
const polled = (upper: Effect.Effect<number, StorageError>): Stream.Stream<void> =>
  Stream.suspend(() => {
    let seen: number | undefined
    const look = Effect.map(Effect.orElseSucceed(upper, () => seen), (found) => {
      const hasGrown = found !== seen
      seen = found
      return hasGrown
    })
    return Polling.make(look, poll)
  })

export const make: (location: string) => Effect.Effect<Hints, never, Scope.Scope> = Effect.fnUntraced(
  function*(location) {
    const ticks = yield* Effect.acquireRelease(PubSub.sliding<void>(1), PubSub.shutdown)
    const channel = yield* Effect.acquireRelease(
      Effect.sync(() => new BroadcastChannel(`tidemark ${location}`)),
      (opened) => Effect.sync(() => opened.close())
    )
    const tick = (): void => void PubSub.publishUnsafe(ticks, undefined)
    channel.addEventListener("message", tick)

    return {
      tell: () => {
        tick()
        channel.postMessage("")
      },
      changes: (upper) => Stream.merge(Stream.fromPubSub(ticks), polled(upper))
    }
  }
)
