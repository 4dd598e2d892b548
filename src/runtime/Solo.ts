/**
 * Commands that are executed alone: each has its own commit, or none.
 *
 * @internal
 */
import { type Context, Effect, Exit } from "effect"
import * as Collection from "../engine/Collection.ts"
import * as CollectionName from "../engine/CollectionName.ts"
import * as Commit from "../engine/Commit.ts"
import * as Evolution from "../engine/Evolution.ts"
import * as Plan from "../engine/Plan.ts"
import type { State } from "../engine/State.ts"
import { CollectionDestroyed, type StorageError, UnknownCollection, ValueOutOfRange } from "../PersistError.ts"
import * as Command from "./Command.ts"
import type { Committer } from "./Committer.ts"
import type { Entry } from "./Feed.ts"
import type { Journal } from "./Journal.ts"
import type { Message } from "./Mailbox.ts"
import * as Metrics from "./Metrics.ts"
import { outcome } from "./Outcome.ts"

export interface Options {
  readonly state: State
  readonly committer: Committer
  readonly journal: Journal
  readonly context: Context.Context<never>
}

/** The result of a command: its reply, and its commit, if there is one. */
interface Executed {
  readonly reply: unknown
  readonly entry?: Entry
}

type Refusal = Evolution.Mismatch | CollectionDestroyed | UnknownCollection | ValueOutOfRange

type Execution = Effect.Effect<Executed, StorageError | Refusal>

/** Executes a command, acknowledges it, and publishes its commit, in this order. */
export const run = (options: Options, message: Message, request: Command.Solo): Effect.Effect<void> =>
  Effect.map(outcome(execute(options, request)), (exit) => {
    if (Exit.isFailure(exit)) return message.answer(exit)
    const { entry, reply } = exit.value
    message.answer(Exit.succeed(reply))
    if (entry !== undefined) options.committer.publish(entry)
  })

const execute = (options: Options, request: Command.Solo): Execution => {
  const { journal, state } = options
  switch (request._tag) {
    case "Register":
      return register(options, request)
    case "Destroy":
      return destroy(options, request)
    case "Swap":
      return swap(options, request)
    case "Erase":
      return erase(options, request)
    case "Rotate":
      return Effect.as(journal.rotate, replied(undefined))
    case "Rollup": {
      const { key, logFrom, position } = request
      return commit(options, { _tag: "Rollup", key, position, logFrom }, undefined)
    }
    case "Describe":
      return Effect.sync(() => replied(Command.describe(state)))
  }
}

const replied = (reply: unknown): Executed => ({ reply })

/** Commits one change. */
const commit = ({ committer, context, state }: Options, change: Commit.Change, reply: unknown): Execution =>
  committer.commit((writer, attempt) => ({ writer, attempt, seqNo: state.seqNo, changes: [change] })).pipe(
    Effect.map((entry) => ({ reply, entry })),
    Effect.tapError(() => Effect.sync(() => Metrics.commandsFailed.updateUnsafe(1, context)))
  )

const register = (options: Options, request: Command.Register): Execution => {
  const { state } = options
  const { isOnTimeline, key, name, recreate, value } = request
  const id = state.names.get(name)
  if (id === undefined) {
    if (state.destroyed.has(name) && !recreate) return Effect.fail(new CollectionDestroyed({ collection: name }))
    const detail = CollectionName.violation(name)
    if (detail !== undefined) return Effect.fail(new ValueOutOfRange({ what: "the name of a collection", detail }))
    const registration = { id: state.nextCollection, name, key, value, isOnTimeline }
    return commit(options, { _tag: "Register", registration }, registration)
  }
  const { registration } = state.collections.get(id)!
  const change = Evolution.of(registration, request)
  if (change === undefined) return Effect.succeed(replied(registration))
  if (change._tag !== "Evolve") return Effect.fail(change)
  return commit(options, change, Commit.evolved(registration, change))
}

const destroy = (options: Options, { name }: Command.Destroy): Execution => {
  const { destroyed, names } = options.state
  const collection = names.get(name)
  if (collection !== undefined) return commit(options, { _tag: "Destroy", collection }, true)
  return destroyed.has(name)
    ? Effect.succeed(replied(false))
    : Effect.fail(new UnknownCollection({ collection: name }))
}

const swap = (options: Options, { change }: Command.Swap): Execution => {
  const collection = options.state.collections.get(change.collection)
  const fits = collection !== undefined && Collection.swapViolation(collection, change) === undefined
  return fits ? commit(options, change, true) : Effect.succeed(replied(false))
}

const erase = Effect.fnUntraced(function*({ journal, state }: Options, { key, target }: Command.Erase) {
  const collection = state.collections.get(target.id)
  if (collection === undefined) return yield* new CollectionDestroyed({ collection: target.name })
  yield* journal.rotate
  return replied(Plan.erasure(collection, state.position, key))
})
