/**
 * The database of a store: its connections, its tables, and statements whose failures are storage errors.
 *
 * @internal
 */
import type * as PgConnection from "@effect/sql-pg/PgConnection"
import * as PgPool from "@effect/sql-pg/PgPool"
import { Effect, Redacted, Schedule, type Scope, Stream } from "effect"
import type { SqlError } from "effect/sql/SqlError"
import { NotAStore, type StorageError, UnsafeStore, UnsupportedFormat } from "../PersistError.ts"
import * as Failure from "./Failure.ts"
import * as Migrations from "./Migrations.ts"
import * as Settings from "./Settings.ts"

/**
 * The location of the tables of a store, and its connection. The entry point exports it as `PostgresStorage.Options`.
 */
export interface Options extends Pick<PgPool.Config, "ssl" | "prepare" | "connectTimeout" | "keepAlive"> {
  /**
   * `postgres://user:password@host:port/database`, with `?schema=...` if `schema` is absent. The variables PGHOST,
   * PGPASSWORD, PGSSLMODE and so on complete it; `docs/postgres.md` lists the parameters and variables.
   */
  readonly url: string | Redacted.Redacted<string>
  /** The schema that has the tables of this store, and nothing else; if absent, that of the URL, or else `tidemark`. */
  readonly schema?: string | undefined
  /**
   * True behind a pooler that gives a session to each transaction: no prepared statements and no notifications, so that
   * followers poll. If absent, `?pooler=transaction` in the URL decides.
   */
  readonly pooled?: boolean | undefined
  /** The most connections at a time; 10 if absent. A follower uses one of them for notifications. */
  readonly maxConnections?: number | undefined
}

export type Parameters = ReadonlyArray<string | bigint | Uint8Array | ReadonlyArray<bigint> | ReadonlyArray<Uint8Array>>

export type Row = PgConnection.Row

type Run = (
  operation: string,
  sql: string,
  parameters?: Parameters
) => Effect.Effect<ReadonlyArray<Row>, StorageError>

export interface Database {
  readonly location: string
  /** The tables, for use in statements. */
  readonly tables: { readonly log: string; readonly entries: string; readonly blobs: string }
  /** The channel of notifications; undefined behind a pooler, which loses them. */
  readonly channel: string | undefined
  /** A statement that changes nothing. */
  readonly read: Run
  /** A change that may be repeated: it is retried if the connection breaks. */
  readonly change: Run
  /** A change that must not be repeated: if the connection breaks, it is `Indeterminate`. */
  readonly changeOnce: Run
  /** Creates the tables, or migrates them to the newest format. For writers. */
  readonly prepare: Effect.Effect<void, StorageError>
  /** Fails unless there are tables of a format that can be read. */
  readonly check: Effect.Effect<void, StorageError>
  /** Ticks with each notification, over a separate connection. Fails when that breaks. */
  readonly notifications: Stream.Stream<void, SqlError>
}

/** Values have at most 1 GiB in Postgres. The limit in the driver protects against untrusted servers. */
const maxMessageSize = 0x7fff_ffff

const again = Schedule.exponential("20 millis").pipe(Schedule.jittered, Schedule.upTo({ times: 4 }))

/** The channel of notifications, which has the schema in its name, has 63 bytes at most. */
const schemaPattern = /^[a-z_][a-z0-9_]{0,47}$/

/** Whether a schema may have this name. */
export const isSchema = (name: string): boolean => schemaPattern.test(name)

export const make: (options: Options) => Effect.Effect<Database, never, Scope.Scope> = Effect.fnUntraced(
  function*(options) {
    const text = Redacted.isRedacted(options.url) ? Redacted.value(options.url) : options.url
    const { location, schema } = placeOf(text, options.schema)
    const settings = Settings.of(text, yield* Settings.environment)
    const isRefused = typeof settings === "string"
    const pooled = options.pooled ?? (!isRefused && settings.pooled)
    const pool = yield* openPool(options, {
      url: isRefused ? text : settings.url,
      tls: isRefused ? undefined : settings.tls,
      pooled
    })
    const tables = { log: `${schema}.log`, entries: `${schema}.entries`, blobs: `${schema}.blobs` }
    const channel = pooled ? undefined : `tidemark_${schema}`

    const send = (sql: string, parameters: Parameters = []) =>
      pool.use((connection) => Effect.map(connection.query(sql, parameters), ({ rows }) => rows))

    /**
     * Sends a statement, unless it would certainly use another server, or another kind of connection, than requested.
     */
    const run = (
      operation: string,
      sending: ReturnType<typeof send>,
      mayHaveHappened: (error: SqlError) => boolean
    ) =>
      isRefused
        ? Effect.fail(new NotAStore({ location, detail: settings }))
        : Effect.mapError(
          sending,
          (error) => Failure.toStorageError(error, operation, location, mayHaveHappened(error))
        )

    const read: Run = (operation, sql, parameters) => run(operation, send(sql, parameters), () => false)

    const changeOnce: Run = (operation, sql, parameters) =>
      run(operation, send(sql, parameters), (error) => Failure.kindOf(error) === "lost")

    const change: Run = (operation, sql, parameters) =>
      Effect.retry(changeOnce(operation, sql, parameters), {
        schedule: again,
        while: ({ _tag }) => _tag === "Indeterminate"
      })

    let isPrepared = false
    let isChecked = false

    const check = Effect.gen(function*() {
      if (isChecked) return
      const [row] = yield* read("looking for the tables", `SELECT format FROM ${tables.log}`)
      const found = Number(row?.["format"] ?? 0)
      if (found > Migrations.format) {
        return yield* new UnsupportedFormat({ location, found, supported: Migrations.format })
      }
      isChecked = true
    })

    const migrate = run("making the tables", send(Migrations.statement(schema)), () => false)

    const prepare = Effect.gen(function*() {
      if (isPrepared) return
      yield* migrate
      yield* check
      yield* requireDurability(read, location)
      isPrepared = true
    })

    const notifications = channel === undefined || isRefused
      ? Stream.never
      : Stream.unwrap(
        Effect.map(
          Effect.flatMap(pool.reserve, (connection) => connection.listen(channel)),
          (queue) => Stream.map(Stream.fromQueue(queue), () => undefined)
        )
      )

    return { location, tables, channel, read, change, changeOnce, prepare, check, notifications }
  }
)

/** The connections. A driver that cannot be configured is a bug: the URL was checked before. */
const openPool = (
  { connectTimeout, keepAlive, maxConnections, prepare, ssl }: Options,
  { pooled, tls, url }: { readonly url: string; readonly tls: Settings.Settings["tls"]; readonly pooled: boolean }
) =>
  Effect.orDie(
    PgPool.make({
      url: Redacted.make(url),
      ssl: ssl ?? tls,
      connectTimeout,
      keepAlive,
      maxConnections,
      prepare: prepare ?? !pooled,
      maxMessageSize,
      applicationName: "tidemark"
    })
  )

/** The schema, and the location without anything secret. */
const placeOf = (text: string, chosen: string | undefined) => {
  const url = URL.canParse(text) ? new URL(text) : undefined
  const schema = chosen ?? url?.searchParams.get("schema") ?? "tidemark"
  if (!isSchema(schema)) {
    throw new Error(`"${schema}" is no name for the schema of a store: up to 48 of a-z, 0-9 and _, no digit first`)
  }
  return { schema, location: `postgres://${url?.host ?? ""}${url?.pathname ?? ""}?schema=${schema}` }
}

/** Acknowledged means durable: a server that is configured to acknowledge earlier cannot store a log. */
const requireDurability = Effect.fnUntraced(function*(read: Run, location: string) {
  for (const name of ["fsync", "synchronous_commit"]) {
    const [row] = yield* read("reading the settings", `SELECT current_setting($1) AS value`, [name])
    if (row?.["value"] === "off") {
      return yield* new UnsafeStore({
        location,
        detail: `its setting ${name} is off, so that a crash takes commits back`
      })
    }
  }
})
