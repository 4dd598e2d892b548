/**
 * A schema that evolves: an additive change is taken, a breaking one is a typed error, and a migration writes the rows to a
 * new collection in one step, so that one that was interrupted is simply run again.
 */
import { Console, Effect, Layer, Schema, Stream } from "effect"
import { Codec, type CollectionReader, type CollectionWriter, MemoryStorage, PersistClient, Update } from "tidemark"

const First = Schema.Struct({ price: Schema.Finite })
const Second = Schema.Struct({ price: Schema.Finite, note: Schema.optionalKey(Schema.String) })
const Third = Schema.Struct({ cents: Schema.Int, note: Schema.optionalKey(Schema.String) })

const orders = <V>(value: Schema.Codec<V, unknown>) => ({ key: Codec.string, value: Codec.schema(value) })

/** Everything that is sealed, under another schema, sealed up to the same time. Not twice. */
const migrate = Effect.fn("migrate")(function*<K, V, W>(
  from: CollectionReader.CollectionReader<K, V>,
  to: CollectionWriter.CollectionWriter<K, W>,
  upper: number,
  convert: (value: V) => W
) {
  const snapshot = yield* from.snapshot({ asOf: upper - 1 })
  const rows = yield* Stream.runCollect(snapshot.updates)
  yield* to.compareAndAppend(
    rows.map(({ diff, key, time, value }) => Update.make(key, convert(value), time, diff)),
    { expected: 0, upper }
  ).pipe(Effect.catchTag("UpperMismatch", () => Console.log("migrated before")))
}, Effect.scoped)

const program = Effect.gen(function*() {
  const persist = yield* PersistClient.PersistClient
  const first = yield* persist.createOrLoad("orders", orders(First))
  yield* first.append([Update.insert("o-1", { price: 12.5 }, 1), Update.insert("o-2", { price: 3 }, 1)])

  // The program of the next release has a field more.
  const second = yield* persist.createOrLoad("orders", orders(Second))
  yield* second.append([
    Update.retract("o-1", { price: 12.5 }, 2),
    Update.insert("o-1", { price: 12.5, note: "gift" }, 2)
  ])
  yield* second.seal(3)

  // That of the release after it has another one in its place.
  yield* persist.createOrLoad("orders", orders(Third)).pipe(
    Effect.catchTag("SchemaMismatch", ({ changes }) => Console.log(`refused: ${changes.join("; ")}`))
  )
  const third = yield* persist.createOrLoad("orders-3", orders(Third))
  const { upper } = yield* persist.description("orders")
  const inCents = ({ price, ...rest }: typeof Second.Type) => ({ ...rest, cents: Math.round(price * 100) })
  yield* migrate(second.reader, third.writer, upper, inCents)
  yield* migrate(second.reader, third.writer, upper, inCents)

  const snapshot = yield* third.snapshot({ asOf: 2 })
  yield* Stream.runForEach(snapshot.contents, ([key, { cents, note }]) => Console.log(key, cents, note ?? ""))
  if ((yield* Stream.runCollect(snapshot.contents)).length !== 2) throw new Error("the old row is still there")
})

await program.pipe(
  Effect.scoped,
  Effect.provide(PersistClient.layer().pipe(Layer.provide(MemoryStorage.layer))),
  Effect.runPromise
)
