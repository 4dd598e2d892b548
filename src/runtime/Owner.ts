/**
 * The owner: the one fiber that changes a store's state.
 *
 * It takes commands in groups: all commands that have arrived during the last flush (group commit: Gawlick and Kinkade,
 * 1985). A group is staged in order, and made durable by one append to the log. Only then it becomes visible, is
 * acknowledged, and is published to listeners, in this order. There is no timer: an idle store answers after one flush,
 * and in a busy store many commands share a flush.
 *
 * Invariants:
 *
 * 1. The state changes only by folding a commit that is durable.
 * 2. Every command taken is answered exactly once. A defect ends the store, and every pending command fails with a
 *    typed error.
 *
 * @internal
 */
import { Cause, Clock, Effect, Exit } from "effect"
import { RecentWrites } from "../engine/RecentWrites.ts"
import { Indeterminate, RuntimeShutdown } from "../PersistError.ts"
import * as Command from "./Command.ts"
import * as Committer from "./Committer.ts"
import { Group } from "./Group.ts"
import type { Mailbox, Message } from "./Mailbox.ts"
import * as Metrics from "./Metrics.ts"
import { outcome } from "./Outcome.ts"
import * as Series from "./Series.ts"
import * as Solo from "./Solo.ts"

export interface Options extends Omit<Committer.Options, "recent"> {
  readonly mailbox: Mailbox
  /** Rows staged beyond this go into the next commit. */
  readonly maxGroupBytes: number
}

type Work = (messages: ReadonlyArray<Message>) => Effect.Effect<void>

/** Runs until the mailbox has ended and is empty. Dies of a defect once every command has been answered. */
export const run = Effect.fnUntraced(function*(options: Options) {
  const { context, garbage, journal, mailbox, maxGroupBytes, state } = options
  const clock = yield* Clock.Clock
  const recent = new RecentWrites(state.timeline.upper)
  const committer = yield* Committer.make({ ...options, recent })

  const contextOf = Series.ofCollections(context)
  const started = () => new Group({ state, committer, garbage, recent, clock, context, contextOf })
  const alone = (message: Message, request: Command.Solo): Effect.Effect<void> => {
    const fatal = committer.fatal()
    return fatal === undefined
      ? Solo.run({ state, committer, journal, context }, message, request)
      : Effect.sync(() => message.answer(Exit.fail(fatal)))
  }

  const execute = Effect.fnUntraced(function*(messages: ReadonlyArray<Message>) {
    const now = clock.currentTimeMillisUnsafe()
    Metrics.queueWait.updateUnsafe((now - messages[0]!.acceptedAt) / 1000, context)
    Metrics.commandsRun.updateUnsafe(messages.length, context)
    const settled = yield* outcome(committer.settle)
    if (Exit.isFailure(settled)) return messages.forEach((message) => message.answer(settled))
    let group = started()
    for (const message of messages) {
      const { request } = message
      const isGrouped = Command.isGrouped(request)
      if (isGrouped) group.add(message, request)
      if (isGrouped && group.bytes < maxGroupBytes) continue
      yield* group.flush
      group = started()
      if (!isGrouped) yield* alone(message, request)
    }
    yield* group.flush
  })

  return yield* eachGroup(
    mailbox,
    (messages) => Effect.onError(execute(messages), (cause) => broken(mailbox, messages, cause))
  )
})

/** Takes groups until the mailbox is empty for good. */
const eachGroup = (mailbox: Mailbox, work: Work) =>
  mailbox.take.pipe(
    // A group is not interrupted halfway.
    Effect.flatMap((messages) => Effect.uninterruptible(Effect.ensuring(work(messages), mailbox.release(messages)))),
    // Callers that were just answered can offer their next command before the next group is taken.
    Effect.andThen(Effect.yieldNow),
    Effect.forever({ disableYield: true }),
    Effect.catchTag("Done", () => Effect.void)
  )

/** Answers every command after a defect. The outcome of the group that was executing is known only from the log. */
const broken = Effect.fnUntraced(function*(
  mailbox: Mailbox,
  messages: ReadonlyArray<Message>,
  cause: Cause.Cause<never>
) {
  const shutdown = new RuntimeShutdown({ cause: Cause.squash(cause) })
  const detail = "a defect has ended the runtime, which reports it"
  refuse(messages, new Indeterminate({ operation: "a group of commands", detail }))
  yield* mailbox.end(shutdown)
  yield* eachGroup(mailbox, (rest) => Effect.sync(() => refuse(rest, shutdown)))
})

/** The answer to commands without one. */
const refuse = (messages: ReadonlyArray<Message>, error: Indeterminate | RuntimeShutdown): void => {
  for (const message of messages) if (!message.isAnswered()) message.answer(Exit.fail(error))
}
