/**
 * Runs codecs, which throw typed errors.
 *
 * @internal
 */
import { Effect } from "effect"
import { DecodeError, ValueOutOfRange } from "../PersistError.ts"

/**
 * Runs a function that throws for a value that does not encode, or for bytes that do not decode. Any other exception is
 * a bug.
 */
export const attempt = <A>(run: () => A): Effect.Effect<A, DecodeError | ValueOutOfRange> =>
  Effect.suspend(() => {
    try {
      return Effect.succeed(run())
    } catch (error) {
      return error instanceof DecodeError || error instanceof ValueOutOfRange ? Effect.fail(error) : Effect.die(error)
    }
  })
