/**
 * Running the pure core, which throws what it finds wrong: damage in bytes, sums that overflow. Anything else that it
 * throws is a bug, and becomes a defect.
 *
 * @internal
 */
import { Effect } from "effect"
import { Corrupt, UnsupportedFormat, ValueOutOfRange } from "../PersistError.ts"

/** Runs a decoder of stored bytes. */
export const decode = <A>(run: () => A): Effect.Effect<A, Corrupt | UnsupportedFormat> =>
  Effect.suspend(() => {
    try {
      return Effect.succeed(run())
    } catch (error) {
      return error instanceof Corrupt || error instanceof UnsupportedFormat ? Effect.fail(error) : Effect.die(error)
    }
  })

/** Runs a computation over rows, whose diffs may sum up to more than can be stored. */
export const compute = <A>(run: () => A): Effect.Effect<A, ValueOutOfRange> =>
  Effect.suspend(() => {
    try {
      return Effect.succeed(run())
    } catch (error) {
      return error instanceof ValueOutOfRange ? Effect.fail(error) : Effect.die(error)
    }
  })
