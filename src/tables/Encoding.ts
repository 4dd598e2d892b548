/**
 * Running codecs, which throw what they refuse.
 *
 * @internal
 */
import { Effect } from "effect"
import { DecodeError, ValueOutOfRange } from "../PersistError.ts"

/** Runs what may meet a value that does not encode, or bytes that do not decode. Anything else that it throws is a bug. */
export const attempt = <A>(run: () => A): Effect.Effect<A, DecodeError | ValueOutOfRange> =>
  Effect.suspend(() => {
    try {
      return Effect.succeed(run())
    } catch (error) {
      return error instanceof DecodeError || error instanceof ValueOutOfRange ? Effect.fail(error) : Effect.die(error)
    }
  })
