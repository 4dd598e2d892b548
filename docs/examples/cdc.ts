/**
 * Change data capture: a table of a Postgres database, followed through logical replication into a collection, and a live
 * view on it: how many orders each customer has.
 *
 * The time of a row is the place of its transaction's commit in Postgres' own log (LSN), so a transaction is seen whole or
 * not at all. The log is acknowledged behind what is sealed. After a crash Postgres sends again what was not acknowledged;
 * what of it is sealed is dropped as late, and what was not is taken back first: every change is there exactly once.
 *
 * The database needs `wal_level = logical`, and `setup`, whose last statement has the rows that were there before sent too.
 */
import { Effect, Queue, Schedule, Schema, Stream } from "effect"
import { LogicalReplicationService, type Pgoutput, PgoutputPlugin } from "pg-logical-replication"
import { Codec, PersistClient } from "tidemark"
import { type Flow, seal, Upsert } from "tidemark/operators"
import { View } from "tidemark/views"

const name = "tidemark_orders"

export const table = "CREATE TABLE orders (id integer PRIMARY KEY, customer text NOT NULL, item text NOT NULL)"

/** What the database is asked for, once. */
export const setup = [
  `CREATE PUBLICATION ${name} FOR TABLE orders`,
  `SELECT slot_name::text FROM pg_create_logical_replication_slot('${name}', 'pgoutput')`,
  "UPDATE orders SET id = id"
]

export const Order = Schema.Struct({ id: Schema.Int, customer: Schema.String, item: Schema.String })
type Order = typeof Order.Type
/** How a row of the table is an order. */
export type Row = Schema.Codec<Order, unknown>
const Id = Schema.Struct({ id: Schema.Int })

class ReplicationEnded extends Schema.TaggedError<ReplicationEnded>()("ReplicationEnded", { cause: Schema.Defect() }) {}

/** Postgres has not seen yet that the life before has ended: its slot is in use. */
const isInUse = (error: { readonly _tag: string; readonly cause?: unknown }): boolean =>
  error._tag === "ReplicationEnded" && (error.cause as { readonly code?: string }).code === "55006"

/** Nothing of the transaction is in the collection. It is sent again to the next life, whose `row` may know better. */
export class TableChanged extends Schema.TaggedError<TableChanged>()("TableChanged", { change: Schema.String }) {
  override get message(): string {
    return `table "orders": ${this.change}; start again with a "row" that reads both, or with another slot and collection`
  }
}

/** `16/B374D848` as a number: places in the first 8 PiB of a log are safe integers. */
const timeOf = (lsn: string): number => {
  const [high = "", low = ""] = lsn.split("/")
  return Number.parseInt(high, 16) * 2 ** 32 + Number.parseInt(low, 16)
}

const lsnOf = (time: number): string =>
  `${Math.floor(time / 2 ** 32).toString(16)}/${(time % 2 ** 32).toString(16)}`.toUpperCase()

/** What the slot sends, until the scope ends. A slow reader slows Postgres down. */
const replicate = Effect.fnUntraced(function*(url: string) {
  const messages = yield* Queue.bounded<Pgoutput.Message, ReplicationEnded>(1024)
  const runPromise = Effect.runPromiseWith(yield* Effect.context())
  const service = yield* Effect.acquireRelease(
    Effect.sync(() =>
      new LogicalReplicationService({ connectionString: url }, {
        acknowledge: { auto: false, timeoutSeconds: 0 },
        flowControl: { enabled: true }
      })
    ),
    (service) => Effect.promise(() => service.destroy())
  )
  const failed = (error: ReplicationEnded) => Queue.fail(messages, error)
  service.on("error", (cause) => void runPromise(failed(new ReplicationEnded({ cause }))))
  service.on("data", async (_, message: Pgoutput.Message) => {
    await runPromise(Queue.offer(messages, message))
  })
  yield* Effect.tryPromise({
    try: () => service.subscribe(new PgoutputPlugin({ protoVersion: 1, publicationNames: [name] }), name),
    catch: (cause) => new ReplicationEnded({ cause })
  }).pipe(Effect.catch(failed), Effect.forkScoped)
  const acknowledge = (lsn: string) => Effect.promise(() => service.acknowledge(lsn))
  return { messages: Stream.fromQueue(messages), acknowledge }
})

/** What a message does to the rows of the table. */
const changesOf = Effect.fnUntraced(
  function*(message: Pgoutput.Message, time: number, offset: number, row: Row) {
    const put = (columns: unknown) =>
      Effect.map(Schema.decodeUnknownEffect(row)(columns), (order) => Upsert.put(order.id, order, time, offset))
    const remove = (columns: unknown) =>
      Effect.map(Schema.decodeUnknownEffect(Id)(columns), ({ id }) => Upsert.remove(id, time, offset))
    switch (message.tag) {
      case "insert":
        return [yield* put(message.new)]
      case "update":
        // The old key is there only where it was another one.
        return [...(message.key === null ? [] : [yield* remove(message.key)]), yield* put(message.new)]
      case "delete":
        return [yield* remove(message.key)]
      case "truncate":
        return yield* new TableChanged({ change: "it was truncated, which says of no row that it is gone" })
      default:
        return []
    }
  },
  Effect.catchTag(
    "SchemaError",
    () => new TableChanged({ change: "a row has other columns than this program expects" })
  )
)

/** The changes as a flow: a transaction has one time, which is complete with its commit. */
const flow = <E, R>(messages: Stream.Stream<Pgoutput.Message, E, R>, row: Row) =>
  Stream.mapAccumEffect(
    messages,
    () => ({ time: 0, offset: 0 }),
    Effect.fnUntraced(function*({ offset, time }, message) {
      const now = message.tag === "begin" ? { time: timeOf(message.commitLsn!), offset } : { time, offset: offset + 1 }
      const events: ReadonlyArray<Flow.Event<number, Upsert.Change<Order>>> = message.tag === "commit"
        ? [{ _tag: "Progress", frontier: time + 1 }]
        : [{ _tag: "Updates", updates: yield* changesOf(message, now.time, now.offset, row) }]
      return [now, events] as const
    })
  )

export const openOrders = Effect.flatMap(
  PersistClient.PersistClient,
  (client) => client.createOrLoad("orders", { key: Codec.schema(Schema.Int), value: Codec.schema(Order) })
)

/** Keeps the collection as the table is, from where it stopped, until it fails or is interrupted. */
export const follow = Effect.fnUntraced(
  function*(url: string, row: Row = Order) {
    const orders = yield* openOrders
    const { acknowledge, messages } = yield* replicate(url)
    yield* flow(messages, row).pipe(
      Upsert.upsert(orders),
      seal(orders.writer),
      Stream.runForEach((event) =>
        event._tag === "Progress" && event.frontier > 0 ? acknowledge(lsnOf(event.frontier)) : Effect.void
      )
    )
  },
  Effect.scoped,
  Effect.retry({ while: isInUse, schedule: Schedule.spaced("100 millis") })
)

/** How many orders each customer has: run it with `changes`, or keep it with `materialize`. */
export const ordersOf = Effect.map(
  openOrders,
  ({ reader }) => View.count(View.map(View.from(reader), (id, order) => [order.customer, id] as const))
)
