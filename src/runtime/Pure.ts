/**
 * Runs the pure core, which throws typed errors for damaged bytes and overflowing sums. Any other exception is a bug,
 * and becomes a defect.
 *
 * @internal
 */
import { Effect } from "effect"
import { Corrupt, UnsupportedFormat, ValueOutOfRange } from "../PersistError.ts"

type Thrown = Corrupt | UnsupportedFormat | ValueOutOfRange

const isThrown = (error: unknown): error is Thrown =>
  error instanceof Corrupt || error instanceof UnsupportedFormat || error instanceof ValueOutOfRange

/** Runs a computation over stored bytes or rows. */
export const compute = <A>(run: () => A): Effect.Effect<A, Thrown> =>
  Effect.suspend(() => {
    try {
      return Effect.succeed(run())
    } catch (error) {
      return isThrown(error) ? Effect.fail(error) : Effect.die(error)
    }
  })

/** Runs a decoder of stored bytes. */
export const decode = <A>(run: () => A): Effect.Effect<A, Corrupt | UnsupportedFormat> =>
  Effect.catchTag(compute(run), "ValueOutOfRange", Effect.die)
