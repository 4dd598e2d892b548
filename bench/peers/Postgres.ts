/**
 * Postgres on this machine, through the client postgres over its Unix socket, which `TIDEMARK_BENCH_POSTGRES` names: COPY
 * in its binary format, in and out.
 */
import { once } from "node:events"
import postgres, { type Connection } from "postgres"
import type { Engine, OnRow, Opening, Store } from "../Contract.ts"
import { type Batch, keyBytes, valueBytes } from "../Data.ts"

const header = Buffer.from("PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0", "latin1")
const inBytes = 2 + 12 + 4 + keyBytes + 4 + valueBytes + 12
const outBytes = 2 + 4 + keyBytes + 4 + valueBytes + 12

const copyOf = (batch: Batch): Buffer => {
  const copy = Buffer.alloc(header.length + batch.length * inBytes + 2)
  header.copy(copy)
  let at = header.length
  const writeLong = (value: number) => {
    copy.writeInt32BE(8, at)
    copy.writeBigInt64BE(BigInt(value), at + 4)
    at += 12
  }
  const writeBytes = (bytes: Buffer) => {
    copy.writeInt32BE(bytes.length, at)
    bytes.copy(copy, at + 4)
    at += 4 + bytes.length
  }
  for (let row = 0; row < batch.length; row++) {
    copy.writeInt16BE(4, at)
    at += 2
    writeLong(batch.time)
    writeBytes(batch.key(row))
    writeBytes(batch.value(row))
    writeLong(batch.diffs[row]!)
  }
  copy.writeInt16BE(-1, at)
  return copy
}

const folded = (asOf: number) =>
  `SELECT k, v, sum(d)::bigint AS s FROM u WHERE t <= ${asOf} GROUP BY k, v HAVING sum(d) <> 0`

/** Goes through the rows of a binary COPY as they arrive. */
const read = async (from: AsyncIterable<Buffer>, onRow: OnRow): Promise<void> => {
  let rest: Buffer = Buffer.alloc(0)
  let skipped = 0
  for await (const chunk of from) {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    let at = 0
    if (skipped === 0 && rest.length >= header.length) at = skipped = header.length
    for (; rest.length - at >= outBytes; at += outBytes) {
      const key = at + 6
      const value = key + keyBytes + 4
      onRow(
        rest.subarray(key, key + keyBytes),
        rest.subarray(value, value + valueBytes),
        Number(rest.readBigInt64BE(value + valueBytes + 4))
      )
    }
    rest = rest.subarray(at)
  }
}

const open = async ({ directory, durable }: Opening): Promise<Store> => {
  const name = `b_${directory.replace(/\W/g, "_").toLowerCase().slice(-60)}`
  const sql = postgres({
    path: process.env["TIDEMARK_BENCH_POSTGRES"]!,
    user: "tidemark",
    database: "postgres",
    max: 68,
    onnotice: () => {},
    connection: { synchronous_commit: durable ? "on" : "off", search_path: name }
  })
  await sql.unsafe(`CREATE SCHEMA IF NOT EXISTS ${name}`)
  await sql.unsafe(`CREATE TABLE IF NOT EXISTS u (
    id bigserial, t bigint NOT NULL, k bytea NOT NULL, v bytea NOT NULL, d bigint NOT NULL)`)
  /** A COPY needs a connection of its own while it runs. */
  const free: Array<Connection> = []
  let notifies = false
  /** Made once: listeners that come at the same time must not make it twice. */
  let indexed: Promise<void> | undefined
  const copy = async (batch: Batch) => {
    const connection = free.pop() ?? await sql.reserve()
    const into = await connection.unsafe("COPY u (t, k, v, d) FROM STDIN (FORMAT binary)").writable()
    into.end(copyOf(batch))
    await once(into, "finish")
    free.push(connection)
  }
  const insert = (batch: Batch) =>
    sql.unsafe("INSERT INTO u (t, k, v, d) VALUES ($1, $2, $3, $4)", [
      batch.time,
      batch.key(0),
      batch.value(0),
      batch.diffs[0]!
    ], { prepare: true })
  return {
    append: async (batch) => {
      await (batch.length === 1 ? insert(batch) : copy(batch))
      if (notifies) await sql.notify(name, "")
    },
    snapshot: async (asOf, onRow) =>
      read(await sql.unsafe(`COPY (${folded(asOf)}) TO STDOUT (FORMAT binary)`).readable(), onRow),
    // A notification carries only the news: each listener reads what is behind its last row.
    listen: async (onRows) => {
      notifies = true
      let last = 0
      let isReading = false
      let isStale = false
      const look = async () => {
        isStale = true
        if (isReading) return
        isReading = true
        while (isStale) {
          isStale = false
          const rows = await sql.unsafe(`SELECT id, t, k, v, d FROM u WHERE id > ${last} ORDER BY id`).values()
          if (rows.length === 0) continue
          last = Number(rows.at(-1)![0])
          onRows(Number(rows.at(-1)![1]), rows.length, (onRow) => {
            for (const row of rows) onRow(row[2] as Buffer, row[3] as Buffer, Number(row[4]))
          })
        }
        isReading = false
      }
      await (indexed ??= sql.unsafe("CREATE INDEX IF NOT EXISTS i ON u (id)").then(() => {}))
      await sql.listen(name, () => void look())
    },
    allowCompaction: (since) =>
      sql.begin(async (sql) => {
        await sql.unsafe(`CREATE TEMP TABLE c ON COMMIT DROP AS ${folded(since)}`)
        await sql.unsafe(`DELETE FROM u WHERE t <= ${since}`)
        await sql.unsafe(`INSERT INTO u (t, k, v, d) SELECT ${since}, k, v, s FROM c`)
      }),
    compact: async () => {
      await sql.unsafe("VACUUM FULL u")
      await sql.unsafe("CHECKPOINT")
    },
    bytes: async () => Number((await sql.unsafe("SELECT pg_total_relation_size('u')").values())[0]![0]),
    count: async () => Number((await sql.unsafe("SELECT count(*) FROM u").values())[0]![0]),
    close: async () => {
      for (const connection of free) connection.release()
      await sql.end({ timeout: 2 })
    }
  }
}

export const engines: ReadonlyArray<Engine> = [{ name: "postgres/log", prepare: () => {}, open }]
