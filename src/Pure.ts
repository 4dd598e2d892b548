/**
 * Runs pure code, which throws its typed errors: each function makes failures of the errors that it names. Any other
 * exception is a bug, and becomes a defect.
 *
 * @internal
 */
import { Effect, Result } from "effect"
import { Corrupt, DecodeError, UnsupportedFormat, ValueOutOfRange } from "./PersistError.ts"

/** For code that ends with an effect. */
const starter = <E>(isExpected: (error: unknown) => error is E) => <A, E1, R>(run: () => Effect.Effect<A, E1, R>) =>
  Effect.suspend((): Effect.Effect<A, E | E1, R> => {
    try {
      return run()
    } catch (error) {
      return isExpected(error) ? Effect.fail(error) : Effect.die(error)
    }
  })

const runner = <E>(isExpected: (error: unknown) => error is E) => {
  const start = starter(isExpected)
  return <A>(run: () => A): Effect.Effect<A, E> => start(() => Effect.succeed(run()))
}

const isDamage = (error: unknown): error is Corrupt | UnsupportedFormat =>
  error instanceof Corrupt || error instanceof UnsupportedFormat

const isRefusal = (error: unknown): error is ValueOutOfRange => error instanceof ValueOutOfRange

const isUncomputed = (error: unknown): error is Corrupt | UnsupportedFormat | ValueOutOfRange =>
  isDamage(error) || isRefusal(error)

/** Runs a computation over stored bytes and rows, whose sums may overflow. */
export const compute = runner(isUncomputed)

/** As `compute`, and then the effect that the code returns. */
export const computing = starter(isUncomputed)

/** Runs a decoder of stored bytes. */
export const decode = runner(isDamage)

/** Runs codecs that encode. */
export const encode = runner(isRefusal)

const isUnconverted = (error: unknown): error is DecodeError | ValueOutOfRange =>
  error instanceof DecodeError || isRefusal(error)

/** Runs codecs that encode, or decode, or both. */
export const convert = runner(isUnconverted)

/** As `convert`, and then the effect that the code returns. */
export const converting = starter(isUnconverted)

/** As `computing`, where the code also decodes rows and encodes others. */
export const revising = starter((error): error is Corrupt | DecodeError | UnsupportedFormat | ValueOutOfRange =>
  isDamage(error) || isUnconverted(error)
)

/** As `encode`, for callers that are pure code themselves. Throws any other exception on. */
export const encoded = <A>(run: () => A): Result.Result<A, ValueOutOfRange> => {
  try {
    return Result.succeed(run())
  } catch (error) {
    if (isRefusal(error)) return Result.fail(error)
    throw error
  }
}
