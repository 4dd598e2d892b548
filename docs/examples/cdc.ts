/**
 * Change data capture: a table of a Postgres database, followed through logical replication into a collection, and a live
 * view on it: how many orders each customer has.
 *
 * The time of a row is the place of its transaction's commit in Postgres' own log (LSN), so a transaction is seen whole or
 * not at all. The log is acknowledged behind what is sealed. After a crash Postgres sends again what was not acknowledged;
 * what of it is sealed is dropped as late, and what was not is taken back first: every change is there exactly once.
 *
 * The database needs `wal_level = logical`, and `setup`. Rows that were in the table before are not part of it.
 */
import { Effect, Queue, Schema, Stream } from "effect"
import { LogicalReplicationService, type Pgoutput, PgoutputPlugin } from "pg-logical-replication"
import { Codec, PersistClient } from "tidemark"
import { type Flow, seal, Upsert } from "tidemark/operators"
import { View } from "tidemark/views"

const name = "tidemark_orders"

/** What the database is asked for, once. */
export const setup = [
  "CREATE TABLE orders (id integer PRIMARY KEY, customer text NOT NULL, item text NOT NULL)",
  `CREATE PUBLICATION ${name} FOR TABLE orders`,
  `SELECT slot_name::text FROM pg_create_logical_replication_slot('${name}', 'pgoutput')`
]

const Order = Schema.Struct({ id: Schema.Int, customer: Schema.String, item: Schema.String })
type Order = typeof Order.Type
const Id = Schema.Struct({ id: Schema.Int })

class ReplicationEnded extends Schema.TaggedError<ReplicationEnded>()("ReplicationEnded", { cause: Schema.Defect() }) {}

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
  const plugin = new PgoutputPlugin({ protoVersion: 1, publicationNames: [name] })
  yield* Effect.tryPromise({
    try: () => service.subscribe(plugin, name),
    catch: (cause) => new ReplicationEnded({ cause })
  }).pipe(Effect.catch(failed), Effect.forkScoped)
  const acknowledge = (lsn: string) => Effect.promise(() => service.acknowledge(lsn))
  return { messages: Stream.fromQueue(messages), acknowledge }
})

const decodeOrder = Schema.decodeUnknownEffect(Order)
const decodeId = Schema.decodeUnknownEffect(Id)

/** What a message does to the rows of the table. */
const changesOf = Effect.fnUntraced(function*(message: Pgoutput.Message, time: number, offset: number) {
  switch (message.tag) {
    case "insert": {
      const order = yield* decodeOrder(message.new)
      return [Upsert.put(order.id, order, time, offset)]
    }
    case "update": {
      const order = yield* decodeOrder(message.new)
      // The old key is told only where it was another one.
      const moved = message.key === null ? [] : [Upsert.remove((yield* decodeId(message.key)).id, time, offset)]
      return [...moved, Upsert.put(order.id, order, time, offset)]
    }
    case "delete":
      return [Upsert.remove((yield* decodeId(message.key)).id, time, offset)]
    default:
      return []
  }
})

/** The changes as a flow: a transaction has one time, which is complete with its commit. */
const flow = <E, R>(messages: Stream.Stream<Pgoutput.Message, E, R>) =>
  Stream.mapAccumEffect(
    messages,
    () => ({ time: 0, offset: 0 }),
    Effect.fnUntraced(function*({ offset, time }, message) {
      const now = message.tag === "begin" ? { time: timeOf(message.commitLsn!), offset } : { time, offset: offset + 1 }
      const events: ReadonlyArray<Flow.Event<number, Upsert.Change<Order>>> = message.tag === "commit"
        ? [{ _tag: "Progress", frontier: time + 1 }]
        : [{ _tag: "Updates", updates: yield* changesOf(message, now.time, now.offset) }]
      return [now, events] as const
    })
  )

export const openOrders = Effect.flatMap(
  PersistClient.PersistClient,
  (client) => client.createOrLoad("orders", { key: Codec.schema(Schema.Int), value: Codec.schema(Order) })
)

/** Keeps the collection as the table is, from where it stopped, until it fails or is interrupted. */
export const follow = Effect.fnUntraced(function*(url: string) {
  const orders = yield* openOrders
  const { acknowledge, messages } = yield* replicate(url)
  yield* flow(messages).pipe(
    Upsert.upsert(orders),
    seal(orders.write),
    Stream.runForEach((event) =>
      event._tag === "Progress" && event.frontier > 0 ? acknowledge(lsnOf(event.frontier)) : Effect.void
    )
  )
}, Effect.scoped)

/** How many orders each customer has: run it with `changes`, or keep it with `materialize`. */
export const ordersOf = Effect.map(
  openOrders,
  ({ read }) => View.count(View.map(View.from(read), (id, order) => [order.customer, id] as const))
)
