/**
 * Log and blobs as files in the origin private file system of a browser.
 *
 * An append is acknowledged after `flush()`. One tab or worker at a time may write; any number may read. Only a dedicated worker
 * can write to these files in time: in one, they are used directly, and a page starts one. `docs/browsers.md` says what survives
 * what.
 *
 * @since 0.1.0
 */
import { Context, Duration, Effect, Layer } from "effect"
import { Blob } from "../storage/Blob.ts"
import { Log } from "../storage/Log.ts"
import * as Hints from "./Hints.ts"
import * as OpfsBlob from "./OpfsBlob.ts"
import * as OpfsFiles from "./OpfsFiles.ts"
import * as OpfsLog from "./OpfsLog.ts"
import * as TabLock from "./TabLock.ts"

/**
 * The part of a `Worker` that the storage uses.
 *
 * @category models
 * @since 0.1.0
 */
export type FilesWorker = OpfsFiles.FilesWorker

/**
 * The name of a store, and how it is opened.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The name of the store within the origin of the page: one that a directory can have. */
  readonly name: string
  /**
   * Starts the worker that changes the files for a page, from the bundle of `tidemark/web/worker`. If absent, it is the module
   * beside this one, which vite, webpack and others find by themselves. A dedicated worker needs none.
   */
  readonly worker?: (() => FilesWorker) | undefined
  /** The size of a file of the log, in bytes, at which the next one begins; 4 MiB if absent. */
  readonly segmentBytes?: number | undefined
  /**
   * How long to wait, while another tab or worker has the store open for writing, before `Locked`; 1 second if absent, as a
   * page that was reloaded may take a moment to end.
   */
  readonly waitForLock?: Duration.Input | undefined
}

const defaultSegmentBytes = 4 * 1024 * 1024

/**
 * The storage of one directory. Building the layer touches no file. The first call creates the directory.
 *
 * Acquiring the log fails with `Locked` while another tab or worker has it open for writing, and with `UnsafeStore` in a page
 * that is not served by HTTPS (or from the own machine), where browsers have no locks. Where the browser's quota is exceeded,
 * calls fail with `OutOfSpace`. Truncation removes whole files: `bounds.lower` may stay below the requested position.
 *
 * @example
 * ```ts check
 * import { Layer } from "effect"
 * import { PersistClient } from "tidemark"
 * import { OpfsStorage } from "tidemark/web"
 *
 * export const client = PersistClient.layer().pipe(Layer.provide(OpfsStorage.layer({ name: "orders" })))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<Log | Blob> =>
  Layer.effectContext(Effect.gen(function*() {
    const files = yield* OpfsFiles.make({ store: options.name, worker: options.worker })
    const { location } = files
    const waitMillis = Duration.toMillis(Duration.fromInputUnsafe(options.waitForLock ?? "1 second"))
    const hints = yield* Hints.make(location)
    const log = OpfsLog.make({
      files,
      hints,
      lock: TabLock.make({ location, waitMillis }),
      segmentBytes: options.segmentBytes ?? defaultSegmentBytes
    })
    return Context.make(Log, log).pipe(Context.add(Blob, OpfsBlob.make(files)))
  }))
