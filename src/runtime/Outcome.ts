/**
 * The outcome of a command: success or a failure, but never a defect. A defect does not decide the outcome of a
 * command. It ends the store.
 *
 * @internal
 */
import { Cause, Effect, Exit } from "effect"

export const outcome = <A, E>(work: Effect.Effect<A, E>): Effect.Effect<Exit.Exit<A, E>> =>
  Effect.flatMap(
    Effect.exit(work),
    (exit) =>
      Exit.isFailure(exit) && Cause.hasDies(exit.cause) ? Effect.die(Cause.squash(exit.cause)) : Effect.succeed(exit)
  )
