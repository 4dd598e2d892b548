/**
 * Where the events of a coding agent go: a collection of Tidemark, a table of it, SQLite as an event table, SQLite as a table of current parts.
 */
import { Effect, Layer, ManagedRuntime, Stream } from "effect"
import * as path from "node:path"
import { DatabaseSync } from "node:sqlite"
import { Codec, PersistClient, Update } from "../../src/index.ts"
import { FileStorage } from "../../src/node/index.ts"
import { Table } from "../../src/tables/index.ts"
import type { Event } from "./Events.ts"

export interface Store {
  /** Events of as many sessions, each a transaction of its own, all durable when it resolves. */
  readonly commit: (events: ReadonlyArray<Event>) => Promise<unknown>
  /** The parts of a session as they are, by key. */
  readonly session: (session: string) => Promise<ReadonlyArray<readonly [key: string, value: string]>>
  /** All that can be done for a smaller file. */
  readonly compact: () => Promise<unknown>
  readonly close: () => Promise<unknown>
}

/** The first key that no part of the session has: `/` is followed by `0`. */
const after = (session: string): string => `${session}0`

/** History may go every so many commits. */
const sinceEvery = 16

const tidemark = async (directory: string): Promise<Store> => {
  const runtime = ManagedRuntime.make(
    PersistClient.layer({ grace: 0 }).pipe(Layer.provide(FileStorage.layer({ directory })))
  )
  const persist = await runtime.runPromise(PersistClient.PersistClient)
  const { reader, writer } = await runtime.runPromise(
    persist.createOrLoad("parts", { key: Codec.string, value: Codec.string })
  )
  let { upper } = await runtime.runPromise(persist.description("parts"))
  const write = ({ after, before, key }: Event, time: number) =>
    writer.append([
      ...(before === undefined ? [] : [Update.retract(key, before, time)]),
      Update.insert(key, after, time)
    ])
  /** Sessions do not wait for each other: their appends share a flush, and so does the seal behind them. */
  const commit = Effect.fnUntraced(function*(events: ReadonlyArray<Event>) {
    const time = upper++
    yield* Effect.all([...events.map((event) => write(event, time)), writer.seal(upper)], {
      concurrency: "unbounded",
      discard: true
    })
    if (upper % sinceEvery === 0) yield* writer.allowCompaction(time)
  })
  return {
    commit: (events) => runtime.runPromise(commit(events)),
    session: (session) =>
      runtime.runPromise(Effect.map(
        Stream.runCollect(reader.range({ from: `${session}/`, to: after(session), asOf: upper - 1 })),
        (rows) => rows.map(([key, value]) => [key, value] as const)
      )),
    compact: () => runtime.runPromise(Effect.andThen(writer.allowCompaction(upper - 1), persist.compact("parts"))),
    close: () => runtime.dispose()
  }
}

class Parts extends Table.Service<Parts>()("parts", { key: Codec.string, value: Codec.string, history: "latest" }) {}

const tables = async (directory: string): Promise<Store> => {
  const client = PersistClient.layer({ grace: 0 }).pipe(Layer.provide(FileStorage.layer({ directory })))
  const runtime = ManagedRuntime.make(Layer.provideMerge(Parts.layer, client))
  const parts = await runtime.runPromise(Parts)
  return {
    commit: (events) =>
      runtime.runPromise(
        Effect.forEach(events, ({ after, key }) => parts.set(key, after), { concurrency: "unbounded", discard: true })
      ),
    session: (session) =>
      runtime.runPromise(Stream.runCollect(parts.range({ from: `${session}/`, to: after(session) }))),
    compact: () => runtime.runPromise(Effect.flatMap(PersistClient.PersistClient, (client) => client.compact("parts"))),
    close: () => runtime.dispose()
  }
}

const opened = (directory: string, table: string): DatabaseSync => {
  const db = new DatabaseSync(path.join(directory, "db.sqlite"))
  db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE IF NOT EXISTS ${table}`)
  return db
}

const inTransactions = (db: DatabaseSync, write: (event: Event) => unknown) => {
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

const vacuumed = async (db: DatabaseSync) =>
  db.exec("PRAGMA wal_checkpoint(TRUNCATE); VACUUM; PRAGMA wal_checkpoint(TRUNCATE)")

/** Every update is a row for ever: what an application does that never prunes, until `compact` does. */
const sqliteEvents = async (directory: string): Promise<Store> => {
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

const sqliteUpserts = async (directory: string): Promise<Store> => {
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

/** Nothing: what it costs to make the events. */
const none = async (): Promise<Store> => ({
  commit: async () => undefined,
  session: async () => [],
  compact: async () => undefined,
  close: async () => undefined
})

export const stores = { none, "sqlite events": sqliteEvents, "sqlite upserts": sqliteUpserts, tidemark, tables }

export type Name = keyof typeof stores
