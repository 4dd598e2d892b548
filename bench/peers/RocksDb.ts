/** RocksDB, through @nxtedition/rocksdb. Its write blocks until the log is on disk. */
import { RocksLevel } from "@nxtedition/rocksdb"
import { setTimeout } from "node:timers/promises"
import type { Engine, Opening, Store } from "../Contract.ts"
import { keyBytes } from "../Data.ts"
import { ByKey, Unordered } from "./Consolidation.ts"
import { diffOf, encode, type Layout, timeKey, timeOf } from "./KeyValue.ts"

const busy = ["num-running-compactions", "num-running-flushes", "compaction-pending"]

const open = (layout: Layout) => async ({ directory, durable, wholeLog }: Opening): Promise<Store> => {
  const encodings = { keyEncoding: "buffer", valueEncoding: "buffer" }
  const db = new RocksLevel(directory, encodings)
  await db.open({
    createIfMissing: true,
    walCompression: false,
    compression: true,
    compaction: layout === "upsert" ? "level" : "universal",
    memtableMemoryBudget: (wholeLog ? 2048 : 256) * 1024 * 1024,
    parallelism: 2,
    cacheSize: 64 * 1024 * 1024
  })
  let rows = 0
  async function* scan(options: object) {
    const iterator = db.iterator({ ...encodings, highWaterMarkBytes: 4 * 1024 * 1024, ...options })
    for (let chunk = await iterator.nextv(8000); chunk.length > 0; chunk = await iterator.nextv(8000)) yield chunk
    await iterator.close()
  }
  return {
    append: async (batch) => {
      const operations = db.batch()
      encode(layout, batch, rows, (key, value) => operations._put(key, value))
      rows += batch.length
      operations._writeSync({ sync: durable })
      operations._closeSync()
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
    // The binding cannot ask for a compaction: this waits for those that are due.
    compact: async () => {
      const isBusy = () => busy.some((each) => Number(db.getProperty(`rocksdb.${each}`)) > 0)
      for (let waits = 0; waits < 200 && isBusy(); waits++) await setTimeout(50)
    },
    count: async () => {
      let count = 0
      for await (const chunk of scan({})) count += chunk.length
      return count
    },
    close: () => db.close()
  }
}

export const engines: ReadonlyArray<Engine> = (["log", "keyed", "upsert"] as const).map((layout) => ({
  name: `rocksdb/${layout}`,
  blocks: true,
  prepare: () => {},
  open: open(layout)
}))
