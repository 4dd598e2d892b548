/**
 * Opens a table: its collection and those of its indexes, the builds of new indexes, and the fibers that maintain it.
 *
 * @internal
 */
import { Effect } from "effect"
import type { Timestamp } from "../Frontier.ts"
import { TableMismatch } from "../PersistError.ts"
import * as Command from "../runtime/Command.ts"
import * as Expiry from "./Expiry.ts"
import * as History from "./History.ts"
import * as IndexBuild from "./IndexBuild.ts"
import * as Indexes from "./Indexes.ts"
import { keyCodec, type TypeOf, valueCodec } from "./Keys.ts"
import type { Rows } from "./Rows.ts"
import * as TableStore from "./TableStore.ts"

/** As `Table.Options` says. */
export interface Declaration<K, V> {
  readonly key: TypeOf<K>
  readonly value: TypeOf<V>
  readonly history?: History.History | undefined
  readonly indexes?: Readonly<Record<string, Indexes.IndexOf<K, V>>> | undefined
  readonly expire?: Expiry.ExpireOf<K, V> | undefined
  readonly cacheBytes?: number | undefined
}

export interface Opened<in out K, in out V> {
  readonly tables: TableStore.TableStore
  readonly rows: Rows<K, V>
  /** The indexes that can be read. */
  readonly indexes: ReadonlyArray<Indexes.Index<K, V>>
}

/** What a table has beside its indexes. */
const taken = new Set(["name", "now", "at", "get", "range", "set", "remove", "modify", "history", "watch", "changes"])

const expiry = "(expiry)"

const mebibyte = 1024 * 1024

/** Ensures that a table is open under only one declaration at a time. */
const declare = (tables: TableStore.TableStore, name: string, declaration: unknown) =>
  Effect.acquireRelease(
    Effect.suspend(() => {
      const known = tables.declared.get(name) ?? { declaration, users: 0 }
      if (known.declaration !== declaration) {
        const detail = "it is open in this program under another declaration; declare it once, and share the service"
        return Effect.fail(new TableMismatch({ table: name, detail }))
      }
      known.users++
      tables.declared.set(name, known)
      return Effect.succeed(known)
    }),
    (known) => Effect.sync(() => void (--known.users === 0 && tables.declared.delete(name)))
  )

export const open = Effect.fnUntraced(function*<K, V>(name: string, declaration: Declaration<K, V>) {
  const tables = yield* TableStore.of
  const { cacheBytes = 8 * mebibyte, expire, history = "1 day", indexes = {} } = declaration
  const wrong = Object.keys(indexes).find((index) => taken.has(index))
  if (wrong !== undefined) {
    return yield* new TableMismatch({
      table: name,
      detail: `an index cannot have the name "${wrong}", which the table has`
    })
  }
  yield* declare(tables, name, declaration)
  const key = keyCodec(declaration.key)
  const relation = yield* tables.relation(name, { key, value: valueCodec(declaration.value) }, cacheBytes)

  const indexNamed = Effect.fnUntraced(function*(index: string, of: Indexes.IndexOf<K, V>) {
    const options = { ...Indexes.codecsOf(key), recreate: true }
    return { name: index, table: name, of, relation: yield* tables.relation(`${name}/${index}`, options, 0, relation) }
  })
  const asked = yield* Effect.forEach(Object.entries(indexes), ([index, of]) => indexNamed(index, of))
  const expiring = expire === undefined ? undefined : yield* indexNamed(expiry, Expiry.indexOf(expire))
  const all = expiring === undefined ? asked : [...asked, expiring]
  const rows: Rows<K, V> = { relation, indexes: all }

  const tend = Effect.gen(function*() {
    // Reads are as of the last complete time: there must be one.
    if (relation.now() < 0) yield* tables.store.submit(new Command.Advance({ time: firstTime }))
    const inCatalogue = yield* IndexBuild.catalogue(tables)
    yield* IndexBuild.prune(tables, inCatalogue, `${name}/`, new Set(all.map((index) => index.relation.name)))
    for (const index of all) yield* IndexBuild.build(tables, inCatalogue, rows, index)
    yield* History.keep(tables, [relation, ...all.map((index) => index.relation)], history)
    if (expire !== undefined && expiring !== undefined) yield* Expiry.run(tables, rows, expiring, expire)
  })
  // A read-only client relies on the writer to maintain the table.
  yield* Effect.catchTag(tend, "ReadOnly", () => Effect.void)
  return { tables, rows, indexes: asked } satisfies Opened<K, V>
})

const firstTime: Timestamp = 0
