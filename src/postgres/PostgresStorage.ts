/**
 * Log and blobs in a schema of a Postgres database.
 *
 * One process at a time may write, and any number may read; the database decides which process writes. An acknowledged
 * call is as durable as Postgres makes its commits. The tables, the guarantees and the limits are described in
 * `docs/postgres.md`.
 *
 * Needs the package `@effect/sql-pg`.
 *
 * @since 0.1.0
 */
import { Context, type Duration, Effect, Layer } from "effect"
import { Blob } from "../storage/Blob.ts"
import { Log } from "../storage/Log.ts"
import * as Database from "./Database.ts"
import * as PostgresBlob from "./PostgresBlob.ts"
import * as PostgresLog from "./PostgresLog.ts"

/**
 * The location of a store, and its connection.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends Database.Options {
  /** The pause between two polls of a follower while there are new entries; 50 milliseconds if absent. */
  readonly shortestPoll?: Duration.Input | undefined
  /** The longest pause between two polls while there are none; 1 second if absent. */
  readonly longestPoll?: Duration.Input | undefined
}

/**
 * Whether a schema may have this name: up to 48 of `a-z`, `0-9` and `_`, without a digit first.
 *
 * @category guards
 * @since 0.1.0
 */
export const isSchema: (name: string) => boolean = Database.isSchema

/**
 * The storage of one schema. Building the layer sends nothing. The first writer creates the schema and its tables.
 *
 * A newer writer fences the previous one at once. Acquiring the log fails with `UnsafeStore` if the server is
 * configured to acknowledge commits before they are durable, and with `NotAStore` if the schema has other tables of
 * these names.
 *
 * @see {@link layerLog}
 *
 * @example
 * ```ts check
 * import { Layer, Redacted } from "effect"
 * import { PersistClient } from "tidemark"
 * import { PostgresStorage } from "tidemark/postgres"
 *
 * export const client = PersistClient.layer().pipe(
 *   Layer.provide(PostgresStorage.layer({ url: Redacted.make("postgres://app:secret@db.example.org/app") }))
 * )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<Log | Blob> =>
  Layer.effectContext(Effect.gen(function*() {
    const database = yield* Database.make(options)
    const log = yield* logOf(database, options)
    return Context.make(Log, log).pipe(Context.add(Blob, PostgresBlob.make(database)))
  }))

/**
 * The log of one schema alone, for blobs that are stored elsewhere, such as in a bucket.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerLog = (options: Options): Layer.Layer<Log> =>
  Layer.effect(Log, Effect.flatMap(Database.make(options), (database) => logOf(database, options)))

const logOf = (database: Database.Database, { longestPoll, shortestPoll }: Options) =>
  PostgresLog.make(database, { poll: { shortest: shortestPoll ?? "50 millis", longest: longestPoll ?? "1 second" } })
