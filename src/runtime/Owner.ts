/**
 * The owner: the one fiber that changes a store's state.
 *
 * It takes commands in groups: everything that has gathered while the last flush was under way. A group is staged in
 * order, made durable by one append to the log, and only then becomes visible, is answered, and is told to those who
 * follow, in this order. There is no timer on the way: an idle store answers after one flush, a busy one shares its
 * flushes.
 *
 * Invariants:
 *
 * 1. The state changes only by folding a commit that is durable.
 * 2. Every command taken is answered exactly once, whatever happens: a defect ends the store, and everybody gets it as a
 *    typed error.
 *
 * @internal
 */
import { Cause, Clock, type Context, Effect, Exit, Option } from "effect"
import * as Collection from "../engine/Collection.ts"
import * as CollectionName from "../engine/CollectionName.ts"
import * as Commit from "../engine/Commit.ts"
import * as Evolution from "../engine/Evolution.ts"
import * as Plan from "../engine/Plan.ts"
import * as ReadView from "../engine/ReadView.ts"
import { type Place, Stage, type Target } from "../engine/Stage.ts"
import * as State from "../engine/State.ts"
import {
  CollectionDestroyed,
  type Corrupt,
  type Fenced,
  Indeterminate,
  RuntimeShutdown,
  type StorageError,
  Unavailable,
  UnknownCollection,
  ValueOutOfRange
} from "../PersistError.ts"
import type { Command, Description, OpenedView } from "./Command.ts"
import type { Feed } from "./Feed.ts"
import type { Garbage } from "./Garbage.ts"
import type { Journal } from "./Journal.ts"
import type { Mailbox, Message } from "./Mailbox.ts"
import * as Metrics from "./Metrics.ts"

export interface Options {
  readonly state: State.State
  readonly location: string
  /** Tells this runtime's commits from all others'. */
  readonly writerId: number
  readonly mailbox: Mailbox
  readonly journal: Journal
  readonly feed: Feed
  readonly garbage: Garbage
  /** Rows staged beyond this go into the next commit. */
  readonly maxGroupBytes: number
  /** Called once nothing can be committed any more. */
  readonly onFatal: (failure: Fenced | Corrupt) => void
  /** Called after each commit, with its size in the log. */
  readonly committed: (bytes: number) => void
  readonly context: Context.Context<never>
}

/** A staged command that waits for its group's flush. */
interface Staged {
  readonly message: Message
  /** What it will be told if the group becomes durable. Its own refusal stands either way. */
  readonly reply: Exit.Exit<unknown, unknown> | Place
}

interface Group {
  readonly stage: Stage
  readonly staged: Array<Staged>
}

/** Runs until the mailbox has ended and is empty. Dies of a defect once everybody has been told. */
export const run = Effect.fnUntraced(function*(options: Options) {
  const { context, feed, garbage, journal, location, mailbox, state } = options
  const clock = yield* Clock.Clock
  let attempts = 0
  /** What makes any further command pointless. */
  let fatal: StorageError | undefined

  const note = (failure: StorageError) =>
    Effect.sync(() => {
      if (failure._tag !== "Fenced" && failure._tag !== "Corrupt") return
      fatal = failure
      options.onFatal(failure)
    })

  /** Finds out about a commit of unknown outcome. Until that is known, nothing can be said of any command. */
  const settle: Effect.Effect<void, StorageError> = journal.settle.pipe(
    Effect.map((left) => {
      if (Option.isSome(left)) fold(left.value, 0)()
    }),
    Effect.tapError(note),
    Effect.mapError((failure) =>
      fatal ??
        new Unavailable({
          operation: "appending",
          detail: `an append before it is of unknown outcome: ${failure.message}`
        })
    )
  )

  /** Makes a commit durable and visible. Returns how to tell those who follow. */
  const commit = Effect.fnUntraced(function*(stagedCommit: Commit.Commit) {
    const startedAt = clock.currentTimeNanosUnsafe()
    const { bytes } = yield* Effect.tapError(journal.append(state.position, stagedCommit), note)
    Metrics.flushTime.updateUnsafe(Number(clock.currentTimeNanosUnsafe() - startedAt) / 1e9, context)
    return fold(stagedCommit, bytes)
  })

  const fold = (folded: Commit.Commit, bytes: number): () => void => {
    const position = state.position
    garbage.add(State.apply(state, folded, location), clock.currentTimeMillisUnsafe())
    Metrics.commits.updateUnsafe(1, context)
    Metrics.commitBytes.updateUnsafe(bytes, context)
    options.committed(bytes)
    return () => feed.publish({ position, changes: folded.changes })
  }

  const flush = Effect.fnUntraced(function*(group: Group) {
    const { stage, staged } = group
    if (staged.length === 0) return
    if (!stage.isDirty) {
      state.seqNo = stage.seqNo
      return answer(staged, state.position, false)
    }
    const position = state.position
    const exit = yield* outcome(commit(stage.commit(options.writerId, ++attempts)))
    if (Exit.isFailure(exit)) return fail(staged, exit)
    Metrics.groupSize.updateUnsafe(staged.length, context)
    Metrics.writtenRows.updateUnsafe(stage.rows, context)
    Metrics.writtenBytes.updateUnsafe(stage.bytes, context)
    answer(staged, position, true)
    exit.value()
  })

  const answer = (staged: ReadonlyArray<Staged>, position: number, isDirty: boolean): void => {
    for (const { message, reply } of staged) {
      message.answer(Exit.isExit(reply) ? reply : Exit.succeed(view(reply, position, isDirty)))
    }
  }

  /** Commands that were refused for what they are stay refused; all others share the failure. */
  const fail = (staged: ReadonlyArray<Staged>, failure: Exit.Exit<unknown, StorageError>): void => {
    for (const { message, reply } of staged) {
      if (Exit.isExit(reply) && Exit.isFailure(reply)) message.answer(reply)
      else {
        Metrics.commandsFailed.updateUnsafe(1, context)
        message.answer(failure)
      }
    }
  }

  const view = (place: Place, position: number, isDirty: boolean): OpenedView => {
    const collection = state.collections.get(place.collection)!
    const staged = isDirty ? chunksFrom(collection.chunks, position) : 0
    const taken = ReadView.make(collection, {
      seqNo: place.seqNo,
      upper: place.upper,
      since: place.since,
      blocks: collection.chunks.length - staged + place.writes
    })
    return {
      view: taken,
      cursor: { position, writes: place.writes },
      release: garbage.hold(ReadView.blobKeys(taken))
    }
  }

  /** Stages a command with others of its group, or says that it needs a commit of its own. */
  const stage = (group: Group, message: Message): boolean => {
    const { request } = message
    const sequenced = (result: number | { readonly _tag: string }) => {
      const reply = typeof result === "number" ? Exit.succeed(result) : Exit.fail(result)
      group.staged.push({ message, reply })
      return true
    }
    switch (request._tag) {
      case "Write":
        Metrics.writes.updateUnsafe(1, context)
        return sequenced(group.stage.write(request.targets))
      case "Seal":
        return sequenced(group.stage.seal(request.targets, request.upper))
      case "AllowCompaction":
        return sequenced(group.stage.allowCompaction(request.targets))
      case "CompareAndAppend":
        return sequenced(group.stage.compareAndAppend(request.target, request.expected, request.upper))
      case "OpenView": {
        const place = group.stage.place(request.target.id)
        const gone = new CollectionDestroyed({ collection: request.target.name })
        group.staged.push({ message, reply: place ?? Exit.fail(gone) })
        return true
      }
      default:
        return false
    }
  }

  /** Commits one change on its own, and answers. */
  const alone = Effect.fnUntraced(function*<A>(message: Message, change: Commit.Change, reply: A) {
    const attempt: Commit.Commit = {
      writer: options.writerId,
      attempt: ++attempts,
      seqNo: state.seqNo,
      changes: [change]
    }
    const exit = yield* outcome(commit(attempt))
    if (Exit.isFailure(exit)) {
      Metrics.commandsFailed.updateUnsafe(1, context)
      return message.answer(exit)
    }
    message.answer(Exit.succeed(reply))
    exit.value()
  })

  const erase = Effect.fnUntraced(function*(target: Target, key: Uint8Array) {
    const collection = state.collections.get(target.id)
    if (collection === undefined) return yield* new CollectionDestroyed({ collection: target.name })
    yield* journal.rotate
    return Plan.erasure(collection, state.position, key)
  })

  const runAlone = (message: Message): Effect.Effect<void> => {
    const { request } = message
    switch (request._tag) {
      case "Register": {
        const { key, name, recreate, value } = request
        const id = state.names.get(name)
        if (id === undefined) {
          if (state.destroyed.has(name) && !recreate) {
            return refused(message, new CollectionDestroyed({ collection: name }))
          }
          const detail = CollectionName.violation(name)
          if (detail !== undefined) {
            return refused(message, new ValueOutOfRange({ what: "the name of a collection", detail }))
          }
          const registration = { id: state.nextCollection, name, key, value }
          return alone(message, { _tag: "Register", registration }, registration)
        }
        const { registration } = state.collections.get(id)!
        const change = Evolution.of(registration, request)
        if (change === undefined) return Effect.sync(() => message.answer(Exit.succeed(registration)))
        if (change._tag !== "Evolve") return refused(message, change)
        return alone(message, change, Commit.evolved(registration, change))
      }
      case "Destroy": {
        const collection = state.names.get(request.name)
        if (collection !== undefined) return alone(message, { _tag: "Destroy", collection }, true)
        return Effect.sync(() =>
          message.answer(
            state.destroyed.has(request.name)
              ? Exit.succeed(false)
              : Exit.fail(new UnknownCollection({ collection: request.name }))
          )
        )
      }
      case "Swap": {
        const collection = state.collections.get(request.change.collection)
        const fits = collection !== undefined && Collection.swapViolation(collection, request.change) === undefined
        return fits ? alone(message, request.change, true) : Effect.sync(() => message.answer(Exit.succeed(false)))
      }
      case "Erase":
        return Effect.map(outcome(erase(request.target, request.key)), (exit) => message.answer(exit))
      case "Rotate":
        return Effect.map(outcome(journal.rotate), (exit) => message.answer(exit))
      case "Rollup":
        return alone(
          message,
          { _tag: "Rollup", key: request.key, position: request.position, logFrom: request.logFrom },
          undefined
        )
      case "Describe":
        return Effect.sync(() => message.answer(Exit.succeed(describe(state))))
      default:
        return Effect.die(new Error(`command ${request._tag} is staged with others`))
    }
  }

  const runGroup = Effect.fnUntraced(function*(messages: ReadonlyArray<Message>) {
    const now = clock.currentTimeMillisUnsafe()
    Metrics.queueWait.updateUnsafe((now - messages[0]!.acceptedAt) / 1000, context)
    Metrics.commandsRun.updateUnsafe(messages.length, context)
    const settled = yield* outcome(fatal === undefined ? settle : Effect.fail(fatal))
    if (Exit.isFailure(settled)) return messages.forEach((message) => message.answer(settled))
    let group: Group = { stage: new Stage(state), staged: [] }
    for (const message of messages) {
      if (fatal !== undefined) {
        message.answer(Exit.fail(fatal))
        continue
      }
      if (stage(group, message) && group.stage.bytes < options.maxGroupBytes) continue
      yield* flush(group)
      group = { stage: new Stage(state), staged: [] }
      if (isAlone(message.request)) yield* runAlone(message)
    }
    if (fatal !== undefined) return fail(group.staged, Exit.fail(fatal))
    yield* flush(group)
  })

  /** Takes groups until the mailbox is empty for good. */
  const eachGroup = (work: (messages: ReadonlyArray<Message>) => Effect.Effect<void>) =>
    mailbox.take.pipe(
      // Nobody interrupts a group half-way.
      Effect.flatMap((messages) => Effect.uninterruptible(Effect.ensuring(work(messages), mailbox.release(messages)))),
      // Those who were just answered get to offer their next command before the next group is taken.
      Effect.andThen(Effect.yieldNow),
      Effect.forever({ disableYield: true }),
      Effect.catchTag("Done", () => Effect.void)
    )

  /** Tells everybody of a defect. What became of the group that met it, the log alone knows. */
  const broken = Effect.fnUntraced(function*(messages: ReadonlyArray<Message>, cause: Cause.Cause<never>) {
    const shutdown = new RuntimeShutdown({ cause: Cause.squash(cause) })
    const detail = "a defect has ended the runtime, which reports it"
    refuse(messages, new Indeterminate({ operation: "a group of commands", detail }))
    yield* mailbox.end(shutdown)
    yield* eachGroup((rest) => Effect.sync(() => refuse(rest, shutdown)))
  })

  return yield* eachGroup((messages) => Effect.onError(runGroup(messages), (cause) => broken(messages, cause)))
})

/** What commands are answered. A defect is no answer: it ends the store. */
const outcome = <A, E>(work: Effect.Effect<A, E>): Effect.Effect<Exit.Exit<A, E>> =>
  Effect.flatMap(
    Effect.exit(work),
    (exit) =>
      Exit.isFailure(exit) && Cause.hasDies(exit.cause) ? Effect.die(Cause.squash(exit.cause)) : Effect.succeed(exit)
  )

/** The answer of those who have none. */
const refuse = (messages: ReadonlyArray<Message>, error: Indeterminate | RuntimeShutdown): void => {
  for (const message of messages) if (!message.isAnswered()) message.answer(Exit.fail(error))
}

/** How many blocks, at the end, are of this log position. */
const chunksFrom = (blocks: ReadonlyArray<Collection.MemoryChunk>, position: number): number => {
  let count = 0
  while (blocks.at(-1 - count)?.position === position) count++
  return count
}

const isAlone = (request: Command): boolean => {
  switch (request._tag) {
    case "Register":
    case "Destroy":
    case "Swap":
    case "Erase":
    case "Rotate":
    case "Rollup":
    case "Describe":
      return true
    default:
      return false
  }
}

const refused = (
  message: Message,
  error: Evolution.Mismatch | CollectionDestroyed | ValueOutOfRange
): Effect.Effect<void> => Effect.sync(() => message.answer(Exit.fail(error)))

/** The live collections in the order of their ids. */
export const describe = (state: State.State): ReadonlyArray<Description> =>
  [...state.collections.values()]
    .map(({ registration: { id, key, name, value }, since, upper }) => ({
      id,
      name,
      key,
      value,
      lower: 0,
      upper,
      since
    }))
    .toSorted((a, b) => a.id - b.id)
