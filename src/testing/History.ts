/**
 * Recorded histories: what was asked of a store, by whom, when, and what the answer was.
 *
 * A history is plain data. Several processes may record parts of one, each into lines of JSON, which are put together
 * afterwards, as long as their clocks agree: an operation that completed before another was invoked came before it. What
 * overlaps may have happened in either order.
 *
 * @since 0.1.0
 */
import { Cause, Effect, Exit } from "effect"
import type * as Frontier from "../Frontier.ts"

/**
 * An update of a collection of texts.
 *
 * @category models
 * @since 0.1.0
 */
export type Update = readonly [key: string, value: string, time: number, diff: number]

/**
 * A row of consolidated contents.
 *
 * @category models
 * @since 0.1.0
 */
export type Row = readonly [key: string, value: string, multiplicity: number]

/**
 * A frontier. JSON has no number for "the end of time", and writes `null`.
 *
 * @category models
 * @since 0.1.0
 */
export type RecordedFrontier = Frontier.Frontier | null

/**
 * Keys from one on and before another.
 *
 * @category models
 * @since 0.1.0
 */
export interface Keys {
  readonly from: string
  readonly to: string
}

/**
 * What was asked. Collections are named by their ids, which are never given again. A `Snapshot` with `keys` was of those
 * only. `Listen` goes on from a snapshot of everything, and says what that has shown.
 *
 * @category models
 * @since 0.1.0
 */
export type Call =
  | { readonly _tag: "Open"; readonly mode: "writer" | "reader" }
  | { readonly _tag: "Register"; readonly name: string }
  | { readonly _tag: "Destroy"; readonly name: string }
  | {
    readonly _tag: "Write"
    readonly targets: ReadonlyArray<{ readonly collection: number; readonly updates: ReadonlyArray<Update> }>
  }
  | {
    readonly _tag: "CompareAndAppend"
    readonly collection: number
    readonly updates: ReadonlyArray<Update>
    readonly expected: RecordedFrontier
    readonly upper: RecordedFrontier
  }
  | { readonly _tag: "Seal"; readonly collections: ReadonlyArray<number>; readonly upper: RecordedFrontier }
  | { readonly _tag: "AllowCompaction"; readonly collections: ReadonlyArray<number>; readonly since: RecordedFrontier }
  | {
    readonly _tag: "Snapshot"
    readonly collection: number
    readonly asOf?: number | undefined
    readonly keys?: Keys | undefined
  }
  | {
    readonly _tag: "Listen"
    readonly collection: number
    readonly seqNo: number
    readonly upper: RecordedFrontier
    readonly rows: ReadonlyArray<Row>
  }
  | {
    readonly _tag: "Subscribe"
    readonly collection: number
    readonly asOf?: number | undefined
    readonly from?: RecordedFrontier | undefined
  }

/**
 * What a subscriber or a listener has heard.
 *
 * @category models
 * @since 0.1.0
 */
export type Told =
  | { readonly _tag: "Updates"; readonly updates: ReadonlyArray<Update> }
  | { readonly _tag: "Progress"; readonly frontier: RecordedFrontier }

/**
 * What the answer was.
 *
 * - `Done`: for `Open` and `Destroy`.
 * - `Gone`: for a `Destroy` of what was destroyed before.
 * - `Registered`: the collection's id.
 * - `Sequenced`: the sequence number of a write, seal or compaction.
 * - `Contents`: a snapshot.
 * - `Told`: everything that a subscriber or a listener has heard, also if it then failed, or was cut off.
 * - `Refused`: the name of the error, and the reason or the actual upper where it has one.
 *
 * @category models
 * @since 0.1.0
 */
export type Reply =
  | { readonly _tag: "Done" }
  | { readonly _tag: "Gone" }
  | { readonly _tag: "Registered"; readonly collection: number }
  | { readonly _tag: "Sequenced"; readonly seqNo: number }
  | {
    readonly _tag: "Contents"
    readonly seqNo: number
    readonly since: RecordedFrontier
    readonly upper: RecordedFrontier
    readonly rows: ReadonlyArray<Row>
  }
  | { readonly _tag: "Told"; readonly events: ReadonlyArray<Told> }
  | {
    readonly _tag: "Refused"
    readonly error: string
    readonly reason?: string | undefined
    readonly actual?: RecordedFrontier | undefined
  }

/**
 * One operation.
 *
 * - `ok`: it was acknowledged.
 * - `failed`: it was told to have had no effect, and may have none.
 * - `unknown`: nobody knows, because the answer says so, or because none came.
 *
 * @category models
 * @since 0.1.0
 */
export interface Operation {
  /** Who asked: one opening of the store. */
  readonly client: string
  readonly call: Call
  readonly outcome: "ok" | "failed" | "unknown"
  /** On a clock that all clients share, in any unit. */
  readonly invoked: number
  /** Absent where no answer came. */
  readonly completed?: number | undefined
  readonly reply?: Reply | undefined
}

/**
 * All operations on one store from its beginning, in any order.
 *
 * @category models
 * @since 0.1.0
 */
export type History = ReadonlyArray<Operation>

/**
 * Records operations as they are executed.
 *
 * @category models
 * @since 0.1.0
 */
export interface Recorder {
  /**
   * Executes an operation and records it. `reply` makes the record of its success; what it fails with is recorded as
   * `unknown` if it is `Indeterminate`, and as `failed` otherwise. One that is interrupted, or never ends, is `unknown`.
   */
  readonly record: <A, E, R>(
    client: string,
    call: Call,
    effect: Effect.Effect<A, E, R>,
    reply: (result: A) => Reply
  ) => Effect.Effect<A, E, R>
  /** Begins to subscribe or to listen. What is heard counts from then on, whatever becomes of who hears it. */
  readonly subscription: (
    client: string,
    call: Call & { readonly _tag: "Subscribe" | "Listen" }
  ) => (event: Told) => void
  /** What was recorded so far. */
  readonly history: () => History
}

/** What an operation is recorded to be refused with that ended without an error of its type. @internal */
export const defect = "Defect"

/** An operation that may still get its answer. */
type Recording = { -readonly [Field in keyof Operation]: Operation[Field] }

/**
 * A recorder. Without `now`, it counts: enough for clients in one process.
 *
 * @category constructors
 * @since 0.1.0
 */
export const recorder = (now: () => number = counter()): Recorder => {
  const operations: Array<Recording> = []
  const begin = (client: string, call: Call): Recording => {
    const operation: Recording = { client, call, outcome: "unknown", invoked: now() }
    operations.push(operation)
    return operation
  }
  return {
    record: (client, call, effect, reply) =>
      Effect.suspend(() => {
        const operation = begin(client, call)
        return Effect.onExit(effect, (exit) =>
          Effect.sync(() => {
            if (Exit.hasInterrupts(exit)) return
            operation.completed = now()
            operation.reply = Exit.isSuccess(exit) ? reply(exit.value) : refused(Cause.squash(exit.cause))
            operation.outcome = outcomeOf(operation.reply)
          }))
      }),
    subscription: (client, call) => {
      const events: Array<Told> = []
      begin(client, call).reply = { _tag: "Told", events }
      return (event) => void events.push(event)
    },
    history: () => operations
  }
}

const counter = (): () => number => {
  let count = 0
  return () => count++
}

/** What failed without a type is a defect, after which nothing is sure. */
const refused = (error: unknown): Reply => {
  const { _tag, actual, reason } = error as Partial<Record<"_tag" | "reason", string>> & { readonly actual?: number }
  return _tag === undefined
    ? { _tag: "Refused", error: defect, reason: String(error) }
    : { _tag: "Refused", error: _tag, reason, actual }
}

const outcomeOf = (reply: Reply): Operation["outcome"] => {
  if (reply._tag !== "Refused") return "ok"
  return reply.error === "Indeterminate" || reply.error === defect ? "unknown" : "failed"
}
