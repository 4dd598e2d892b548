/**
 * Builds an index when it is declared for a table that has rows.
 *
 * A catalogue has the progress of each index. The transaction that adds the entries of some rows also moves the
 * progress, so that an interrupted build continues. An index that is no longer declared would miss changes of its
 * table: it is destroyed, and built again if it is declared again.
 *
 * @internal
 */
import { Effect, Option, Stream } from "effect"
import * as Codec from "../Codec.ts"
import * as Platform from "../Platform.ts"
import { convert } from "../Pure.ts"
import * as Command from "../runtime/Command.ts"
import * as Indexes from "./Indexes.ts"
import { idOf } from "./Relation.ts"
import * as Rows from "./Rows.ts"
import type { TableStore } from "./TableStore.ts"

/** The progress of an index: the key of the last row that it has, or that it is complete. */
type Progress = { readonly after: string } | "complete"

/** Rows whose entries are added in one transaction. */
const together = 1_000

/** The catalogue of a store: a table of progress by the name of the index. */
export const catalogue = Effect.fnUntraced(function*(tables: TableStore) {
  const codecs = { key: Codec.string, value: Codec.json as unknown as Codec.Codec<Progress> }
  return { relation: yield* tables.relation("tidemark.indexes", codecs, 64 * 1024), indexes: [] } satisfies Rows.Rows<
    string,
    Progress
  >
})

type Catalogue = Effect.Success<ReturnType<typeof catalogue>>

/** Adds the entries of the rows after a key. Returns the last key, or nothing at the end. */
const step = <K, V>(
  tables: TableStore,
  inCatalogue: Catalogue,
  rows: Rows.Rows<K, V>,
  index: Indexes.Index<K, V>,
  name: string
) =>
  tables.transact((workspace) =>
    Effect.gen(function*() {
      const { relation } = rows
      const progress = yield* Rows.getIn(workspace, inCatalogue, name)
      if (Option.isSome(progress) && progress.value === "complete") return { isComplete: true, rows: 0 }
      const after = Option.isSome(progress) && progress.value !== "complete"
        ? Platform.fromBase64(progress.value.after)
        : undefined
      const from = after === undefined
        ? undefined
        : yield* convert(() => relation.codecs.key.decode(after, 0, after.length))
      const found = yield* Stream.runCollect(Stream.take(Rows.rangeIn(workspace, rows, { from }), together + 1))
      let last: Uint8Array | undefined
      yield* convert(() => {
        for (const [key, value] of found) {
          const { bytes, id } = relation.locate(key)
          if (after !== undefined && id === idOf(after)) continue
          Indexes.change(workspace, [index], key, bytes, undefined, value)
          last = bytes
        }
      })
      const isComplete = found.length <= together
      const next: Progress = isComplete || last === undefined ? "complete" : { after: Platform.toBase64(last) }
      yield* Rows.setIn(workspace, inCatalogue, name, next)
      return { isComplete: next === "complete", rows: found.length }
    })
  )

/** Completes an index. Its history begins when it was built, if the table had rows. */
export const build = Effect.fnUntraced(function*<K, V>(
  tables: TableStore,
  inCatalogue: Catalogue,
  rows: Rows.Rows<K, V>,
  index: Indexes.Index<K, V>
) {
  const { id, name } = index.relation
  let built = 0
  while (true) {
    const { time, value } = yield* step(tables, inCatalogue, rows, index, name)
    built += value.rows
    if (!value.isComplete) continue
    if (built > 0) yield* tables.store.submit(new Command.AllowCompaction({ targets: [{ id, name, since: time }] }))
    return
  }
})

/** Destroys the indexes of a table that are not declared any more. */
export const prune = Effect.fnUntraced(function*(
  tables: TableStore,
  inCatalogue: Catalogue,
  prefix: string,
  declared: ReadonlySet<string>
) {
  const known = yield* Stream.runCollect(
    Rows.rangeAt(inCatalogue, { prefix }, inCatalogue.relation.now())
  )
  for (const [name] of known) {
    if (declared.has(name)) continue
    yield* tables.transact((workspace) => Rows.setIn(workspace, inCatalogue, name, undefined))
    yield* Effect.catchTag(tables.client.destroy(name), "UnknownCollection", () => Effect.succeed(false))
  }
})
