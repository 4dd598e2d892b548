/** DuckDB, through its appender. A commit is always on disk: it has no other mode. */
import { DuckDBInstance } from "@duckdb/node-api"
import * as path from "node:path"
import type { Engine, Opening, Store } from "../Contract.ts"
import type { Batch } from "../Data.ts"

const folded = (asOf: number) =>
  `SELECT k, v, sum(d)::BIGINT AS s FROM u WHERE t <= ${asOf} GROUP BY k, v HAVING s <> 0`

const bytesOf = (item: unknown): Uint8Array => (item as { readonly bytes: Uint8Array }).bytes

const open = async ({ directory, wholeLog }: Opening): Promise<Store> => {
  const limit = wholeLog ? "4GB" : "256MB"
  const instance = await DuckDBInstance.create(path.join(directory, "db.duckdb"), {
    threads: "2",
    checkpoint_threshold: limit
  })
  const db = await instance.connect()
  await db.run("CREATE TABLE IF NOT EXISTS u (t UBIGINT, k BLOB, v BLOB, d BIGINT)")
  const write = async (batch: Batch) => {
    const appender = await db.createAppender("u")
    for (const { diff, key, time, value } of batch.rows) {
      appender.appendUBigInt(BigInt(time))
      appender.appendBlob(key)
      appender.appendBlob(value)
      appender.appendBigInt(BigInt(diff))
      appender.endRow()
    }
    appender.closeSync()
  }
  // One connection takes one batch after the other.
  let last = Promise.resolve()
  return {
    append: (batch) => (last = last.then(() => write(batch))),
    snapshot: async (asOf, onRow) => {
      const result = await db.stream(folded(asOf))
      for (let chunk = await result.fetchChunk(); chunk !== null && chunk.rowCount > 0;) {
        const keys = chunk.getColumnVector(0)
        const values = chunk.getColumnVector(1)
        const diffs = chunk.getColumnVector(2)
        for (let row = 0; row < chunk.rowCount; row++) {
          onRow(bytesOf(keys.getItem(row)), bytesOf(values.getItem(row)), Number(diffs.getItem(row)))
        }
        chunk = await result.fetchChunk()
      }
    },
    allowCompaction: async (since) => {
      await db.run("BEGIN")
      await db.run(`CREATE TEMP TABLE c AS ${folded(since)}`)
      await db.run(`DELETE FROM u WHERE t <= ${since}`)
      await db.run(`INSERT INTO u SELECT ${since}, k, v, s FROM c`)
      await db.run("DROP TABLE c")
      await db.run("COMMIT")
    },
    compact: () => db.run("CHECKPOINT"),
    count: async () => Number((await db.runAndReadAll("SELECT count(*) FROM u")).getRows()[0]![0]),
    close: async () => {
      db.closeSync()
      instance.closeSync()
    }
  }
}

export const engines: ReadonlyArray<Engine> = [{ name: "duckdb/log", prepare: (batch) => batch.rows, open }]
