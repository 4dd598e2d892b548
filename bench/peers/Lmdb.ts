/** LMDB, through lmdb. */
import { open as openLmdb } from "lmdb"
import type { Engine, Opening, Store } from "../Contract.ts"
import { keyBytes } from "../Data.ts"
import { ByKey, Unordered } from "./Consolidation.ts"
import { diffOf, encode, type Layout, timeKey, timeOf } from "./KeyValue.ts"

const open = (layout: Layout) => async ({ directory, durable }: Opening): Promise<Store> => {
  const db = openLmdb({
    path: directory,
    keyEncoding: "binary",
    encoding: "binary",
    mapSize: 16 * 2 ** 30,
    noSync: !durable,
    noMemInit: true,
    cache: false,
    compression: false,
    commitDelay: 0
  })
  let rows = 0
  return {
    append: async (batch) => {
      await db.batch(() => {
        encode(layout, batch, rows, (key, value) => db.put(key, value))
        rows += batch.length
      })
      if (durable) await db.flushed
    },
    snapshot: async (asOf, onRow) => {
      if (layout === "log") {
        const all = new Unordered()
        for (const { value } of db.getRange({ end: timeKey(asOf + 1) })) all.add(value, 8, diffOf(value))
        return all.emit(onRow)
      }
      const all = new ByKey(onRow)
      for (const { key, value } of db.getRange({})) {
        const entry = Buffer.from(key)
        if (timeOf(entry, keyBytes) <= asOf) all.add(entry, Buffer.from(value), diffOf(value))
      }
      all.flush()
    },
    gets: async (keys) => {
      let found = 0
      for (const key of keys) if (db.get(key) !== undefined) found += 1
      return found
    },
    count: async () => db.getCount(),
    close: () => db.close()
  }
}

export const engines: ReadonlyArray<Engine> = (["log", "keyed", "upsert"] as const).map((layout) => ({
  name: `lmdb/${layout}`,
  prepare: () => {},
  open: open(layout)
}))
