/**
 * Looking again and again whether a log has grown, ever more seldom while it does not.
 *
 * @internal
 */
import { Duration, Effect, Stream } from "effect"

export interface Options {
  /** The shortest and the longest pause between two looks for new entries. */
  readonly shortest: Duration.Input
  readonly longest: Duration.Input
}

/** Ticks whenever a look finds that there is more. */
export const make = (look: Effect.Effect<boolean>, options: Options): Stream.Stream<void> =>
  Stream.suspend(() => {
    const [shortest, longest] = [Duration.toMillis(options.shortest), Duration.toMillis(options.longest)]
    let pause = shortest
    const next = Effect.gen(function*() {
      yield* Effect.sleep(pause)
      const hasGrown = yield* look
      pause = hasGrown ? shortest : Math.min(longest, pause * 1.5)
      return hasGrown
    })
    return Stream.fromEffectRepeat(next).pipe(Stream.filter((hasGrown) => hasGrown), Stream.map(() => undefined))
  })
