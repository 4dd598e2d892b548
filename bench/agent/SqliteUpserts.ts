/**
 * The events of a coding agent in a table of SQLite that has the current parts.
 */
import { inTransactions, opened, vacuumed } from "./Sqlite.ts"
import { after, type Store } from "./Store.ts"

export const open = async (directory: string): Promise<Store> => {
  const db = opened(directory, "part (key TEXT PRIMARY KEY, data TEXT NOT NULL)")
  const upsert = db.prepare(
    "INSERT INTO part (key, data) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET data = excluded.data"
  )
  const select = db.prepare("SELECT key, data FROM part WHERE key >= ? AND key < ? ORDER BY key")
  return {
    commit: inTransactions(db, ({ after, key }) => upsert.run(key, after)),
    session: async (session) =>
      select.all(`${session}/`, after(session)).map(({ data, key }) => [String(key), String(data)] as const),
    compact: () => vacuumed(db),
    close: async () => db.close()
  }
}
