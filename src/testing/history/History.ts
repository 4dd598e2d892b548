/**
 * Recorded histories: which client requested what of a store, when, and what the reply was.
 *
 * A history is plain data. Several processes may record parts of one, each into lines of JSON, which are joined
 * afterwards, if their clocks agree. An operation that completed before another was invoked came before it. Operations
 * that overlap may have happened in either order. The model is that of Herlihy and Wing, "Linearizability" (1990), as
 * Jepsen records it.
 *
 * @since 0.1.0
 */
import { Cause, Effect, Exit } from "effect"
import type * as Frontier from "../../Frontier.ts"

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
 * The keys from a first one on and before another.
 *
 * @category models
 * @since 0.1.0
 */
export interface Keys {
  readonly from: string
  readonly to: string
}

/**
 * Updates for a collection, and its new upper, if its present upper is the expected one.
 *
 * @category models
 * @since 0.1.0
 */
export interface Conditional {
  readonly collection: number
  readonly updates: ReadonlyArray<Update>
  readonly expected: RecordedFrontier
  readonly upper: RecordedFrontier
}

/**
 * The requested operation. Collections are named by their ids, which are never reused. A `Snapshot` with `keys` was of
 * those only. `Listen` continues from a snapshot of everything, and includes the contents of that snapshot.
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
  | { readonly _tag: "CompareAndAppend"; readonly targets: ReadonlyArray<Conditional> }
  | { readonly _tag: "Seal"; readonly collections: ReadonlyArray<number>; readonly upper: RecordedFrontier }
  | { readonly _tag: "AllowCompaction"; readonly collections: ReadonlyArray<number>; readonly since: RecordedFrontier }
  | { readonly _tag: "Erase"; readonly collection: number; readonly key: string }
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
 * What was delivered to a subscriber or a listener.
 *
 * @category models
 * @since 0.1.0
 */
export type Delivered =
  | { readonly _tag: "Updates"; readonly updates: ReadonlyArray<Update> }
  | { readonly _tag: "Progress"; readonly frontier: RecordedFrontier }

/**
 * The reply.
 *
 * - `Done`: for `Open`, `Destroy` and `Erase`.
 * - `Gone`: for a `Destroy` of a collection that was already destroyed.
 * - `Registered`: the collection's id.
 * - `Sequenced`: the sequence number of a write, seal or compaction.
 * - `Contents`: a snapshot.
 * - `Delivered`: everything that was delivered to a subscriber or a listener, also if it then failed or was interrupted.
 * - `Refused`: the name of the error, with its reason or the actual upper if it has one.
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
  | { readonly _tag: "Delivered"; readonly events: ReadonlyArray<Delivered> }
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
 * - `failed`: the reply says that it had no effect, and it must have none.
 * - `unknown`: the outcome is not known, because the reply says so, or because there was none.
 *
 * @category models
 * @since 0.1.0
 */
export interface Operation {
  /** The client that requested it: one opening of the store. */
  readonly client: string
  readonly call: Call
  readonly outcome: "ok" | "failed" | "unknown"
  /** On a clock that all clients share, in any unit. */
  readonly invoked: number
  /** Absent if there was no reply. */
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
   * Executes an operation and records it. `reply` makes the record of its success. A failure is recorded as `unknown`
   * if it is `Indeterminate`, and as `failed` otherwise. An operation that is interrupted, or never ends, is `unknown`.
   */
  readonly record: <A, E, R>(
    client: string,
    call: Call,
    effect: Effect.Effect<A, E, R>,
    reply: (result: A) => Reply
  ) => Effect.Effect<A, E, R>
  /** Begins to subscribe or to listen. Every delivery counts from then on, even if the subscriber is killed. */
  readonly subscription: (
    client: string,
    call: Call & { readonly _tag: "Subscribe" | "Listen" }
  ) => (event: Delivered) => void
  /** The operations recorded so far. */
  readonly history: () => History
}

/** The recorded error name of an operation that ended without a typed error. @internal */
export const defect = "Defect"

/** An operation that may still get its reply. */
type Recording = { -readonly [Field in keyof Operation]: Operation[Field] }

/**
 * Makes a recorder. Without `now`, it uses a counter, which is enough for clients in one process.
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
      const events: Array<Delivered> = []
      begin(client, call).reply = { _tag: "Delivered", events }
      return (event) => void events.push(event)
    },
    history: () => operations
  }
}

const counter = (): () => number => {
  let count = 0
  return () => count++
}

/** An untyped failure is a defect, after which nothing is certain. */
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
