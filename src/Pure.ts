/**
 * Runs pure code, which throws its typed errors: each function makes failures of the errors that it names. Any other
 * exception is a bug, and becomes a defect.
 *
 * @internal
 */
import { Effect, Result } from "effect"
import { Corrupt, DecodeError, UnsupportedFormat, ValueOutOfRange } from "./PersistError.ts"

const runner = <E>(isExpected: (error: unknown) => error is E) => <A>(run: () => A): Effect.Effect<A, E> =>
  Effect.suspend(() => {
    try {
      return Effect.succeed(run())
    } catch (error) {
      return isExpected(error) ? Effect.fail(error) : Effect.die(error)
    }
  })

/** The same for code that ends with an effect. */
const runnerThen = <E>(isExpected: (error: unknown) => error is E) => <A, E2, R>(run: () => Effect.Effect<A, E2, R>) =>
  Effect.suspend((): Effect.Effect<A, E | E2, R> => {
    try {
      return run()
    } catch (error) {
      return isExpected(error) ? Effect.fail(error) : Effect.die(error)
    }
  })

const isDamage = (error: unknown): error is Corrupt | UnsupportedFormat =>
  error instanceof Corrupt || error instanceof UnsupportedFormat

const isRefusal = (error: unknown): error is ValueOutOfRange => error instanceof ValueOutOfRange

const isDamageOrRefusal = (error: unknown): error is Corrupt | UnsupportedFormat | ValueOutOfRange =>
  isDamage(error) || isRefusal(error)

const isMistake = (error: unknown): error is DecodeError | ValueOutOfRange =>
  error instanceof DecodeError || isRefusal(error)

/** Runs a computation over stored bytes and rows, whose sums may overflow. */
export const compute = runner(isDamageOrRefusal)

/** The same, and goes on with the effect that it returns. */
export const computeThen = runnerThen(isDamageOrRefusal)

/** Runs a decoder of stored bytes. */
export const decode = runner(isDamage)

/** Runs codecs that encode. */
export const encode = runner(isRefusal)

/** Runs codecs that encode, or decode, or both. */
export const convert = runner(isMistake)

/** The same, and goes on with the effect that it returns. */
export const convertThen = runnerThen(isMistake)

/** As `encode`, for callers that are pure code themselves. Throws any other exception on. */
export const encoded = <A>(run: () => A): Result.Result<A, ValueOutOfRange> => {
  try {
    return Result.succeed(run())
  } catch (error) {
    if (isRefusal(error)) return Result.fail(error)
    throw error
  }
}
