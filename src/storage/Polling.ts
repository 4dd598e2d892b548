/**
 * Polls whether a log has grown, with growing pauses while it has not.
 *
 * @internal
 */
import { Duration, Effect, Stream } from "effect"

export interface Options {
  /** The shortest and the longest pause between two polls. */
  readonly shortest: Duration.Input
  readonly longest: Duration.Input
}

/** Ticks whenever a poll finds new entries. */
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
