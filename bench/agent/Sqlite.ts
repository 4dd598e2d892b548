/**
 * What both tables of SQLite share.
 */
import * as path from "node:path"
import { DatabaseSync } from "node:sqlite"
import type { Event } from "./Events.ts"

export const opened = (directory: string, table: string): DatabaseSync => {
  const db = new DatabaseSync(path.join(directory, "db.sqlite"))
  db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE IF NOT EXISTS ${table}`)
  return db
}

export const inTransactions = (db: DatabaseSync, write: (event: Event) => unknown) => {
  const begin = db.prepare("BEGIN")
  const commit = db.prepare("COMMIT")
  return async (events: ReadonlyArray<Event>) => {
    for (const event of events) {
      begin.run()
      write(event)
      commit.run()
    }
  }
}

export const vacuumed = async (db: DatabaseSync) =>
  db.exec("PRAGMA wal_checkpoint(TRUNCATE); VACUUM; PRAGMA wal_checkpoint(TRUNCATE)")
