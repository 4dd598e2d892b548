/**
 * Imports rows into a table, in the order of their keys. Each transaction also moves the progress of the import, so that an
 * interrupted one continues where it was.
 *
 * @internal
 */
import { Effect, Layer, Option, Schema, Stream } from "effect"
import * as PersistClient from "../client/PersistClient.ts"
import * as Codec from "../Codec.ts"
import * as MemoryStorage from "../storage/MemoryStorage.ts"
import * as Table from "../tables/Table.ts"
import { Failure } from "./Failure.ts"
import * as Footprint from "./Footprint.ts"
import * as Output from "./Output.ts"
import type { Progress } from "./Progress.ts"
import type { Parts, Row, SqliteTable } from "./SqliteTable.ts"

/** Rows of one transaction. */
const together = 500

/** How far each import is: the key of the last row that it has stored, by the name of the table. */
class Imports extends Table.Service<Imports>()("tidemark.imports", {
  key: Schema.String,
  value: Schema.Array(Schema.Union([Schema.String, Schema.Number])),
  history: "latest"
}) {}

class Imported extends Table.Service<Imported>()("imported", {
  key: Codec.json,
  value: Codec.json
}) {}

/** Keys sort as they do in the other database: numbers by size. */
const keyCodec = ({ keyTypes }: SqliteTable): Codec.Codec<Schema.Json> => {
  const parts = keyTypes.map((type) => type === "text" ? Codec.string : Codec.number)
  const codec = parts.length === 1 ? parts[0]! : Codec.tuple(parts as unknown as [typeof Codec.string])
  return codec as unknown as Codec.Codec<Schema.Json>
}

/** The table of this name, in the place of `Imported`. */
const layerOf = (name: string, source: SqliteTable) => {
  const Named = Table.Service<Imported>()(name, { key: keyCodec(source), value: Codec.json })
  return Layer.merge(
    Layer.effect(Imported, Effect.map(Named as unknown as typeof Imported, (table) => table)).pipe(
      Layer.provide(Named.layer as Layer.Layer<Imported, Table.OpenError, PersistClient.PersistClient>)
    ),
    Imports.layer
  )
}

const keyOf = (key: Parts): Schema.Json => key.length === 1 ? key[0]! : key

/** Stores the rows after the progress, until there are `atMost`. Returns how many it has stored. */
const store = Effect.fnUntraced(function*(name: string, source: SqliteTable, progress: Progress, atMost = Infinity) {
  const [imports, imported] = [yield* Imports, yield* Imported]
  let last = yield* progressOf(name)
  let stored = 0
  while (stored < atMost) {
    const rows = yield* source.after(last, together)
    if (rows.length === 0) break
    const next = rows.at(-1)!.key
    yield* Table.transaction(Effect.andThen(
      Effect.forEach(rows, (row) => imported.set(keyOf(row.key), row.value), { discard: true }),
      imports.set(name, next)
    ))
    last = next
    stored += rows.length
    progress.add(rows.length)
  }
  return stored
})

/** The key that an interrupted import has stored last, unless the table does not have it any more. */
const progressOf = Effect.fnUntraced(function*(name: string) {
  const [imports, imported] = [yield* Imports, yield* Imported]
  const last = Option.getOrUndefined(yield* imports.get(name))
  return last !== undefined && Option.isSome(yield* imported.get(keyOf(last))) ? last : undefined
})

const differs = (message: string) => Effect.fail(new Failure({ message: `${message}; import it again` }))

/** Compares all rows with what the table has. */
const compare = Effect.fnUntraced(function*(name: string, source: SqliteTable, progress: Progress) {
  const imported = yield* Imported
  let count = 0
  let rows: ReadonlyArray<Row> = []
  while ((rows = yield* source.after(rows.at(-1)?.key, together)).length > 0) {
    for (const row of rows) {
      const found = yield* imported.get(keyOf(row.key))
      if (Option.isNone(found) || !isSame(found.value, row.value)) {
        return yield* differs(
          `row ${Output.count(count + 1)} of ${name} has changed in the database since it was imported`
        )
      }
      count++
    }
    progress.add(rows.length)
  }
  const there = yield* Stream.runCount(imported.range())
  if (there === count) return count
  const others = `${Output.counted(there - count, "row")} that the database has not`
  return yield* differs(`table "${name}" has ${others}: destroy it with tidemark destroy`)
})

const isSame = Schema.toEquivalence(Schema.Json)

/** Imports what is missing, and compares everything. */
export const run = (name: string, source: SqliteTable, storing: Progress, comparing: Effect.Effect<Progress>) =>
  Effect.gen(function*() {
    const stored = yield* store(name, source, storing)
    // Whatever the comparison finds, the next import begins anew.
    yield* Effect.flatMap(Imports, (imports) => imports.remove(name))
    const compared = yield* compare(name, source, yield* comparing)
    return { stored, compared }
  }).pipe(Effect.provide(layerOf(name, source)))

/** Rows that an estimate imports. */
const sampled = 20_000

/** The bytes that the live rows would take, from the first of them. */
export const estimate = Effect.fnUntraced(
  function*(name: string, source: SqliteTable, live: number, progress: Progress) {
    const memory = yield* MemoryStorage.make
    const storage = MemoryStorage.layerOf(memory)
    const stored = yield* Effect.gen(function*() {
      const stored = yield* store(name, source, progress, sampled)
      yield* (yield* PersistClient.PersistClient).compact(name)
      return stored
    }).pipe(
      Effect.provide(
        Layer.provideMerge(layerOf(name, source), PersistClient.layer({ grace: 0 })).pipe(Layer.provide(storage))
      )
    )
    const { bytes } = yield* Effect.provide(
      Effect.map(Footprint.read(name), ({ collection }) => Footprint.of(collection)),
      storage
    )
    return stored === 0 ? 0 : Math.round(bytes * Math.max(1, live / stored))
  }
)
