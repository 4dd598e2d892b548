/** SQLite in WAL mode, through node:sqlite, which blocks. */
import * as path from "node:path"
import { DatabaseSync } from "node:sqlite"
import { setTimeout } from "node:timers/promises"
import type { Engine, OnRow, Opening, Store } from "../Contract.ts"
import type { Layout } from "./KeyValue.ts"

const tables: Readonly<Record<Layout, string>> = {
  log: "id INTEGER PRIMARY KEY, t INTEGER NOT NULL, k BLOB NOT NULL, v BLOB NOT NULL, d INTEGER NOT NULL",
  keyed: "k BLOB, t INTEGER, s INTEGER, v BLOB NOT NULL, d INTEGER NOT NULL, PRIMARY KEY (k, t, s)",
  upsert: "k BLOB PRIMARY KEY, v BLOB NOT NULL"
}

const inserts: Readonly<Record<Layout, string>> = {
  log: "INSERT INTO u (t, k, v, d) VALUES (?, ?, ?, ?)",
  keyed: "INSERT INTO u (t, k, v, d, s) VALUES (?, ?, ?, ?, ?)",
  upsert: "INSERT INTO u (k, v) VALUES (?, ?) ON CONFLICT (k) DO UPDATE SET v = excluded.v"
}

const folded = "SELECT k, v, sum(d) AS n FROM u WHERE t <= ? GROUP BY k, v HAVING n <> 0"

const open = (layout: Layout) => async ({ directory, durable, wholeLog }: Opening): Promise<Store> => {
  const file = path.join(directory, "db.sqlite")
  const db = new DatabaseSync(file)
  db.exec(`
    PRAGMA page_size = 4096;
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = ${durable ? "FULL" : "OFF"};
    PRAGMA cache_size = -65536;
    PRAGMA mmap_size = 4294967296;
    PRAGMA temp_store = MEMORY;
    PRAGMA wal_autocheckpoint = ${wholeLog ? 0 : 4000};
    CREATE TABLE IF NOT EXISTS u (${tables[layout]}) ${layout === "log" ? "" : "WITHOUT ROWID"}
  `)
  const insert = db.prepare(inserts[layout])
  const begin = db.prepare("BEGIN")
  const commit = db.prepare("COMMIT")
  let rows = 0
  return {
    append: async (batch) => {
      begin.run()
      for (const { diff, key, time, value } of batch.rows) {
        if (layout === "log") insert.run(time, key, value, diff)
        else if (layout === "keyed") insert.run(time, key, value, diff, rows++)
        else if (diff > 0) insert.run(key, value)
      }
      commit.run()
    },
    snapshot: async (asOf, onRow) => {
      const select = db.prepare(folded)
      select.setReturnArrays(true)
      for (const row of select.iterate(asOf)) {
        const [key, value, diff] = row as unknown as [Uint8Array, Uint8Array, number]
        onRow(key, value, diff)
      }
    },
    // There is no other way to hear of changes than to look.
    listen: async (onRows) => {
      const reader = new DatabaseSync(file, { readOnly: true })
      const newer = reader.prepare("SELECT id, t, k, v, d FROM u WHERE id > ? ORDER BY id")
      newer.setReturnArrays(true)
      let last = 0
      const look = async () => {
        for (;;) {
          const found = newer.all(last) as unknown as Array<[number, number, Uint8Array, Uint8Array, number]>
          if (found.length > 0) {
            const [id, time] = found.at(-1)!
            last = id
            onRows(time, found.length, (onRow: OnRow) => {
              for (const [, , key, value, diff] of found) onRow(key, value, diff)
            })
          }
          await setTimeout(1)
        }
      }
      void look()
    },
    allowCompaction: async (since) => {
      if (layout !== "log") return
      db.exec(`
        BEGIN;
        CREATE TEMP TABLE c AS ${folded.replace("?", String(since))};
        DELETE FROM u WHERE t <= ${since};
        INSERT INTO u (t, k, v, d) SELECT ${since}, k, v, n FROM c;
        DROP TABLE c;
        COMMIT
      `)
    },
    compact: async () => db.exec("PRAGMA wal_checkpoint(TRUNCATE); VACUUM; PRAGMA wal_checkpoint(TRUNCATE)"),
    count: async () => Number(db.prepare("SELECT count(*) AS n FROM u").get()!["n"]),
    close: async () => db.close()
  }
}

export const engines: ReadonlyArray<Engine> = (["log", "keyed", "upsert"] as const).map((layout) => ({
  name: `sqlite/${layout}`,
  blocks: true,
  prepare: (batch) => batch.rows,
  open: open(layout)
}))
