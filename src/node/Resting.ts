/**
 * Notices that a store rests, and lets it give back the space that it needed while it was busy.
 *
 * @internal
 */
import { Effect, FiberHandle, Scope } from "effect"
import type * as File from "./File.ts"

export interface Resting {
  /** Begins to watch, if it does not watch already. It ends when the store rests. */
  readonly watch: Effect.Effect<void>
  /** Ends the watch. */
  readonly end: Effect.Effect<void>
}

/** A store rests once nothing was appended to it for this long. */
const untilRest = "2 seconds"

export const make = Effect.fnUntraced(
  function*(scope: Scope.Scope, upper: () => number, giveBack: Effect.Effect<void, File.FileError>) {
    const watching = yield* Scope.provide(FiberHandle.make<void>(), scope)

    const rest = Effect.gen(function*() {
      let seen = -1
      while (seen !== upper()) {
        seen = upper()
        yield* Effect.sleep(untilRest)
      }
      yield* Effect.ignore(giveBack)
    })

    return {
      watch: Effect.asVoid(FiberHandle.run(watching, rest, { onlyIfMissing: true })),
      end: FiberHandle.clear(watching)
    } satisfies Resting
  }
)
