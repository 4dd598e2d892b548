/**
 * Log and blobs in a database of IndexedDB, in a page or in a worker.
 *
 * An acknowledged call is on the disk: its transaction was strict, which has the browser flush it first. One tab or worker at a
 * time may write; any number may read. `docs/browsers.md` says what survives what.
 *
 * @since 0.1.0
 */
import { Context, Duration, Effect, Layer } from "effect"
import { Blob } from "../storage/Blob.ts"
import { Log } from "../storage/Log.ts"
import * as Hints from "./Hints.ts"
import * as IndexedDb from "./IndexedDb.ts"
import * as IndexedDbBlob from "./IndexedDbBlob.ts"
import * as IndexedDbLog from "./IndexedDbLog.ts"
import * as TabLock from "./TabLock.ts"

/**
 * The name of a store, and how it is opened.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The name of the store within the origin of the page. */
  readonly name: string
  /**
   * How long to wait, while another tab or worker has the store open for writing, before `Locked`; 1 second if absent, as a
   * page that was reloaded may take a moment to end.
   */
  readonly waitForLock?: Duration.Input | undefined
}

/**
 * The storage of one database. Building the layer opens nothing. The first call creates the database.
 *
 * Acquiring the log fails with `Locked` while another tab or worker has it open for writing, and with `UnsafeStore` in a page
 * that is not served by HTTPS (or from the own machine), where browsers have no locks. Where the browser's quota is exceeded,
 * calls fail with `OutOfSpace`.
 *
 * @example
 * ```ts check
 * import { Layer } from "effect"
 * import { PersistClient } from "tidemark"
 * import { IndexedDbStorage } from "tidemark/web"
 *
 * export const client = PersistClient.layer().pipe(Layer.provide(IndexedDbStorage.layer({ name: "orders" })))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<Log | Blob> =>
  Layer.effectContext(Effect.gen(function*() {
    const database = yield* IndexedDb.make(options.name)
    const { location } = database
    const waitMillis = Duration.toMillis(Duration.fromInputUnsafe(options.waitForLock ?? "1 second"))
    const hints = yield* Hints.make(location)
    const log = IndexedDbLog.make({ database, hints, lock: TabLock.make({ location, waitMillis }) })
    return Context.make(Log, log).pipe(Context.add(Blob, IndexedDbBlob.make(database)))
  }))
