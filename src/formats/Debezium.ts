/**
 * Change events of Debezium, as lines of JSON `{"key":...,"value":...}`: the key and the value of a message, with or
 * without the `{"schema":...,"payload":...}` around them. A value is an envelope, `null` for a tombstone, or transaction
 * metadata (`status`, `id`).
 *
 * Times number transactions, in the order of their arrival. All rows of a transaction have one time, which is complete
 * at its `END`, or when the next one begins. A change without a transaction counts as a transaction. The initial
 * snapshot of a connector counts as one as a whole. The format is that of the Debezium documentation.
 *
 * @since 0.1.0
 */
import { Effect, Result, Schema, Stream } from "effect"
import type { CollectionEvent } from "../client/CollectionEvent.ts"
import * as ExactJson from "../ExactJson.ts"
import * as Frontier from "../Frontier.ts"
import * as Upsert from "../operators/Upsert.ts"
import { type InvalidInput, ValueOutOfRange } from "../PersistError.ts"
import * as Update from "../Update.ts"
import * as Before from "./Before.ts"
import * as ConnectSchema from "./ConnectSchema.ts"
import * as Intake from "./Intake.ts"
import * as Line from "./Line.ts"
import * as Unavailable from "./Unavailable.ts"

type Json = Schema.Json

/**
 * `from`: the time of the first transaction. Default: 0. An application that resumes in the middle of a topic passes
 * the upper of its collection.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly from?: Frontier.Timestamp | undefined
}

/**
 * Decodes bytes to a flow of updates: an insertion is a row, a deletion retracts `before`, an update does both. This
 * needs complete rows in `before`, as Postgres writes them with `REPLICA IDENTITY FULL`; without them use `changes`. A
 * tombstone adds nothing to its deletion.
 *
 * Fails with `InvalidInput` at the first wrong line. A line is wrong if it has no envelope, no key, or no `before`
 * where it is needed. It is wrong if it changes a transaction that is among the last million that have ended. A
 * `TRUNCATE` is wrong, since it cannot be expressed as changes of keys. So is an integer beyond 2^53 that no schema
 * declares as `int64` (a declared one becomes a text), and a large column that did not change and is in neither row.
 * Heartbeats are ignored.
 *
 * A `before` whose columns besides the key are all null, empty, zero or their defaults may be only its key. It is
 * rejected until one of the same table has had more. `REPLICA IDENTITY USING INDEX` of columns other than the key's
 * cannot be distinguished from complete rows: use `changes`.
 *
 * @see {@link changes}
 *
 * @example
 * ```ts
 * import { Effect, Stream } from "effect"
 * import { Debezium } from "tidemark/formats"
 *
 * const lines = `{"key":{"id":1},"value":{"op":"c","before":null,"after":{"id":1,"n":5},"transaction":{"id":"7"}}}
 * {"key":{"id":1},"value":{"op":"d","before":{"id":1,"n":5},"after":null,"transaction":{"id":"8"}}}
 * `
 * const events = await Effect.runPromise(
 *   Stream.make(new TextEncoder().encode(lines)).pipe(Debezium.decode(), Stream.runCollect)
 * )
 * const seen = events.map((event) => event._tag === "Updates" ? event.updates[0]?.diff : event.frontier)
 * if (seen.join() !== "1,1,-1") throw new Error("time 0 is complete when the next transaction begins")
 * ```
 *
 * @category sources
 * @since 0.1.0
 */
export const decode = (options: Options = {}) => decodeThrough(Intake.open, options)

/** @internal */
export const decodeThrough = (gate: Intake.Gate<Json, Json>, options: Options) => through(gate, options, differences)

/**
 * Decodes bytes to a flow for `Upsert.upsert`: the new value of each key. It needs no `before`, and a repeated change
 * does no harm. Fails as `decode` does, except for a missing `before`.
 *
 * @see {@link decode}
 *
 * @category sources
 * @since 0.1.0
 */
export const changes = (options: Options = {}) => through(Intake.open, options, upserts)

interface Changed extends Before.Removal {
  readonly _tag: "Changed"
  readonly after: Json
  readonly op: string
  /** Which transaction it belongs to, if it contains that. */
  readonly transaction: string | undefined
  /** Whether the transaction ends with it. */
  readonly isLast: boolean
}

type Message =
  | Changed
  | { readonly _tag: "Tombstone"; readonly key: Json }
  | { readonly _tag: "End"; readonly transaction: string }
  | { readonly _tag: "Nothing" }

/** The rows of a message, or why there are none. */
type RowsOf<V> = (
  message: Changed | Extract<Message, { readonly _tag: "Tombstone" }>,
  time: Frontier.Timestamp,
  line: number
) => ReadonlyArray<Update.Update<Json, V>> | string

const differences = (): RowsOf<Json> => {
  const rows = Before.make()
  return (message, time) => {
    if (message._tag === "Tombstone") return []
    const { after, before, key, op, table } = message
    const removed = op === "u" || op === "d"
    const violation = removed ? rows.violation(message) : undefined
    if (violation !== undefined) return violation
    if (op !== "d") rows.inserted(table, key, after)
    return [
      ...(removed ? [Update.retract(key, before, time)] : []),
      ...(op === "d" ? [] : [Update.insert(key, after, time)])
    ]
  }
}

const upserts = (): RowsOf<Upsert.Change<Json>> => (message, time, line) =>
  message._tag === "Tombstone" || message.op === "d"
    ? [Upsert.remove(message.key, time, line)]
    : [Upsert.put(message.key, message.after, time, line)]

const through =
  <V>(gate: Intake.Gate<Json, V>, { from = Frontier.initial }: Options, makeRowsOf: () => RowsOf<V>) =>
  <E, R>(bytes: Stream.Stream<Uint8Array, E, R>): Stream.Stream<CollectionEvent<Json, V>, E | InvalidInput, R> =>
    Stream.suspend(() => {
      const intake = Intake.make<Json, V>("Debezium", "line", gate)
      const rowsOf = makeRowsOf()
      let line = 0
      let time = from
      /** The transaction whose changes are arriving, and those that have ended. */
      let begun: string | undefined
      const ended = new Set<string>()

      const malformed = (detail: string) => intake.invalid(line, "Malformed", detail)
      const end = (): InvalidInput | undefined => {
        if (begun !== undefined && begun !== snapshotOf) ended.add(begun)
        if (ended.size > maxEnded) ended.delete(ended.values().next().value!)
        begun = undefined
        return intake.seal(++time, line)
      }
      const rows = (message: Parameters<RowsOf<V>>[0]): InvalidInput | undefined => {
        const rows = rowsOf(message, time, line)
        if (typeof rows === "string") return malformed(rows)
        for (const row of rows) {
          const error = intake.row(row, line)
          if (error !== undefined) return error
        }
        return undefined
      }
      const changed = (message: Changed): InvalidInput | undefined => {
        const { isLast, transaction } = message
        if (transaction !== undefined && ended.has(transaction)) return malformed("its transaction has ended before")
        const passed = begun !== undefined && begun !== transaction ? end() : undefined
        begun = transaction
        return passed ?? rows(message) ?? (isLast ? end() : undefined)
      }
      const take = (message: Message | string): InvalidInput | undefined => {
        if (typeof message === "string") return malformed(message)
        switch (message._tag) {
          case "Changed":
            return changed(message)
          case "Tombstone":
            // It belongs to the deletion before it, or is alone if that is no longer there.
            return rows(message)
          case "End":
            return message.transaction === begun ? end() : undefined
          case "Nothing":
            return undefined
        }
      }
      const takeAll = (lines: ReadonlyArray<Uint8Array>) => {
        for (const bytes of lines) {
          line++
          const error = take(parse(bytes))
          if (error !== undefined) return intake.taken(error)
        }
        return intake.taken()
      }
      return Intake.eventsOf(Stream.map(Line.lines("Debezium", bytes), takeAll))
    })

/** How many ended transactions are recognised: a million identifiers take some hundred megabytes. */
const maxEnded = 1_000_000

const Row = Schema.optional(Schema.NullOr(Schema.Json))
const Envelope = Schema.Struct({
  op: Schema.String,
  before: Row,
  after: Row,
  source: Schema.optional(
    Schema.NullOr(
      Schema.Struct({
        snapshot: Schema.optional(Schema.NullOr(Schema.Union([Schema.String, Schema.Boolean]))),
        schema: Schema.optional(Schema.NullOr(Schema.String)),
        table: Schema.optional(Schema.NullOr(Schema.String))
      })
    )
  ),
  transaction: Schema.optional(Schema.NullOr(Schema.Struct({ id: Schema.String })))
})
const Transaction = Schema.Struct({ status: Schema.Literals(["BEGIN", "END"]), id: Schema.String })

const decodeEnvelope = Schema.decodeUnknownResult(Envelope)
const isTransaction = Schema.is(Transaction)

const clocks = new Set(["ts_ms", "ts_us", "ts_ns"])

/** A connector's heartbeat on a quiet table. */
const isHeartbeat = (value: Json): boolean =>
  ConnectSchema.isObject(value) && "ts_ms" in value && Object.keys(value).every((name) => clocks.has(name))

/** Whether a part of a message that becomes a row or a key would be rounded. */
const isRounded = (key: Json, value: Json): boolean =>
  ExactJson.hasInexact(key) ||
  ConnectSchema.isObject(value) && ["before", "after"].some((row) => ExactJson.hasInexact(value[row]))

/** The transaction that the initial snapshot of a connector counts as. */
const snapshotOf = "initial snapshot"

const parse = (bytes: Uint8Array): Message | string => {
  const line = Line.read(bytes)
  if (line === undefined) return { _tag: "Nothing" }
  if ("detail" in line) return line.detail
  if (!ConnectSchema.isObject(line.json) || !("value" in line.json)) return `it must be {"key":...,"value":...}`
  const key = ConnectSchema.payload(line.json["key"])
  const value = ConnectSchema.payload(line.json["value"])
  if (line.isInexact && isRounded(key, value)) return `its row ${ExactJson.refusal}, or send the schema with it`
  if (isHeartbeat(value)) return { _tag: "Nothing" }
  if (isTransaction(value)) {
    return value.status === "END" ? { _tag: "End", transaction: value.id } : { _tag: "Nothing" }
  }
  if (value === null) return key === null ? "a tombstone without a key" : { _tag: "Tombstone", key }
  const envelope = decodeEnvelope(value)
  if (Result.isFailure(envelope)) return "its value is no envelope"
  return changeOf(key, envelope.success, ConnectSchema.defaults(line.json["value"]))
}

const changeOf = (
  key: Json,
  envelope: typeof Envelope.Type,
  defaults: Before.Removal["defaults"]
): Message | string => {
  const { before = null, op, source, transaction } = envelope
  const after = Unavailable.filled(envelope.after ?? null, before)
  // A message of the application, which belongs to no table.
  if (op === "m") return { _tag: "Nothing" }
  if (op === "t") return "a table was truncated, which says of no key what has become of it: take a new snapshot"
  if (!["c", "r", "u", "d"].includes(op)) return "its operation is unknown"
  if (key === null) return "it has no key: give the table a primary key"
  if (op !== "d" && after === null) return "it has no row `after`"
  if (op !== "d" && Unavailable.isIn(after)) {
    return "a large column that did not change is not in it; give the table REPLICA IDENTITY FULL"
  }
  const part = String(source?.snapshot ?? false)
  const isSnapshot = op === "r" && part !== "false" && part !== "incremental"
  return {
    _tag: "Changed",
    key,
    before,
    after,
    op,
    defaults,
    table: `${source?.schema ?? ""}.${source?.table ?? ""}`,
    transaction: transaction?.id ?? (isSnapshot ? snapshotOf : undefined),
    isLast: transaction == null && (!isSnapshot || part === "last")
  }
}

const encoder = new TextEncoder()

type Content = readonly [key: Json, value: Json, multiplicity: number]

/**
 * Encodes the contents of a snapshot as a connector does at its start: one event of operation `r` a row, the last of
 * them marked. `table` is the table's name in the events. A row with a multiplicity above one is a `ValueOutOfRange`: a
 * table with a primary key has no such row.
 *
 * @category sinks
 * @since 0.1.0
 */
export const contents =
  (table: string) => <E, R>(rows: Stream.Stream<Content, E, R>): Stream.Stream<Uint8Array, E | ValueOutOfRange, R> => {
    const event = ([key, after]: Content, snapshot: string): string =>
      Line.write({ key, value: { op: "r", before: null, after, source: { connector: "tidemark", table, snapshot } } })
    return rows.pipe(
      Stream.mapArrayEffect((chunk) =>
        chunk.every(([, , multiplicity]) => multiplicity === 1) ? Effect.succeed(chunk) : Effect.fail(
          new ValueOutOfRange({
            what: "a row",
            detail: "it is not there exactly once, and a Debezium event says nothing else"
          })
        )
      ),
      Stream.mapAccumArray(
        (): ReadonlyArray<Content> => [],
        (last, chunk) => {
          const ready = [...last, ...chunk.slice(0, -1)]
          return [chunk.slice(-1), [ready.map((row) => event(row, "true")).join("")]]
        },
        { onHalt: (last) => last.map((row) => event(row, "last")) }
      ),
      Stream.map((text) => encoder.encode(text))
    )
  }
