/** LevelDB, through classic-level. */
import { ClassicLevel } from "classic-level"
import type { Engine, Opening, Store } from "../Contract.ts"
import { keyBytes } from "../Data.ts"
import { ByKey, Unordered } from "./Consolidation.ts"
import { diffOf, encode, type Layout, timeKey, timeOf } from "./KeyValue.ts"

const open = (layout: Layout) => async ({ directory, durable, wholeLog }: Opening): Promise<Store> => {
  const db = new ClassicLevel(directory, {
    keyEncoding: "buffer",
    valueEncoding: "buffer",
    writeBufferSize: (wholeLog ? 512 : 64) * 1024 * 1024,
    cacheSize: 64 * 1024 * 1024,
    compression: true
  })
  await db.open()
  let rows = 0
  /** All entries of a range, in chunks. */
  async function* scan(options: object) {
    const iterator = db.iterator({ highWaterMarkBytes: 1024 * 1024, ...options })
    for (let chunk = await iterator.nextv(4000); chunk.length > 0; chunk = await iterator.nextv(4000)) yield chunk
    await iterator.close()
  }
  return {
    append: async (batch) => {
      const operations = db.batch()
      encode(layout, batch, rows, (key, value) => operations.put(key, value))
      rows += batch.length
      await operations.write({ sync: durable })
    },
    snapshot: async (asOf, onRow) => {
      if (layout === "log") {
        const all = new Unordered()
        for await (const chunk of scan({ lt: timeKey(asOf + 1) })) {
          for (const [, value] of chunk) all.add(value, 8, diffOf(value))
        }
        return all.emit(onRow)
      }
      const all = new ByKey(onRow)
      for await (const chunk of scan({})) {
        for (const [key, value] of chunk) if (timeOf(key, keyBytes) <= asOf) all.add(key, value, diffOf(value))
      }
      all.flush()
    },
    listen: async (onRows) => {
      db.on("write", (operations) =>
        onRows(timeOf(operations.at(-1)!.key, 0), operations.length, (onRow) => {
          for (const { value } of operations) {
            onRow(value.subarray(8, 8 + keyBytes), value.subarray(8 + keyBytes), diffOf(value))
          }
        }))
    },
    compact: () => db.compactRange(Buffer.alloc(1), Buffer.alloc(32, 255)),
    count: async () => {
      let count = 0
      for await (const chunk of scan({ values: false })) count += chunk.length
      return count
    },
    close: () => db.close()
  }
}

export const engines: ReadonlyArray<Engine> = (["log", "keyed", "upsert"] as const).map((layout) => ({
  name: `classic-level/${layout}`,
  prepare: () => {},
  open: open(layout)
}))
