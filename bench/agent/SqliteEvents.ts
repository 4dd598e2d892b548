/**
 * The events of a coding agent in an event table of SQLite.
 */
import { inTransactions, opened, vacuumed } from "./Sqlite.ts"
import { after, type Store } from "./Store.ts"

/** Every update is a row for ever: what an application does that never prunes, until `compact` does. */
export const open = async (directory: string): Promise<Store> => {
  const db = opened(directory, "event (seq INTEGER PRIMARY KEY, key TEXT NOT NULL, data TEXT NOT NULL)")
  db.exec("CREATE INDEX IF NOT EXISTS event_key ON event (key, seq)")
  const insert = db.prepare("INSERT INTO event (key, data) VALUES (?, ?)")
  const newest = "SELECT max(seq) FROM event GROUP BY key"
  const select = db.prepare(
    `SELECT key, data FROM event WHERE key >= ? AND key < ? AND seq IN (
       SELECT max(seq) FROM event WHERE key >= ? AND key < ? GROUP BY key) ORDER BY key`
  )
  return {
    commit: inTransactions(db, ({ after, key }) => insert.run(key, after)),
    session: async (session) => {
      const [from, to] = [`${session}/`, after(session)]
      return select.all(from, to, from, to).map(({ data, key }) => [String(key), String(data)] as const)
    },
    compact: async () => {
      db.exec(`DELETE FROM event WHERE seq NOT IN (${newest})`)
      await vacuumed(db)
    },
    close: async () => db.close()
  }
}
