/**
 * Log and blobs in a directory of a local file system.
 *
 * An acknowledged call survives a crash of the process and of the machine, as far as the disk keeps what it has
 * flushed. One process at a time may write; any number may read. The bytes are specified in `docs/format.md`.
 *
 * @since 0.1.0
 */
import { Context, Duration, Effect, Layer, Option } from "effect"
import { resolve } from "node:path"
import { fileURLToPath } from "node:url"
import type { Locked, StorageError } from "../PersistError.ts"
import { Blob } from "../storage/Blob.ts"
import { Log } from "../storage/Log.ts"
import * as Directory from "./Directory.ts"
import * as File from "./File.ts"
import * as FileBlob from "./FileBlob.ts"
import * as FileLog from "./FileLog.ts"
import * as Lock from "./Lock.ts"
import * as LockHolder from "./LockHolder.ts"
import * as Reserve from "./Reserve.ts"
import * as WorkerMerger from "./WorkerMerger.ts"

/**
 * The location of a store, and its sizes and timeouts.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The directory of the store, or its `file:` URL. The first writer creates it, with its parents. */
  readonly directory: string | URL
  /** The size of a file of the log, in bytes, at which the next one begins; 16 MiB if absent. */
  readonly segmentBytes?: number | undefined
  /**
   * How far an append has come when it is acknowledged, and who waits for it; `"durable"` if absent.
   *
   * - `"durable"`: it is on the medium, on a drive that honours flushes. The event loop is free meanwhile.
   * - `"drive-cache"`: the drive has it, but on macOS perhaps only in its cache, so that a power failure may lose it. Much
   *   faster there, and the same as `"durable"` on other platforms.
   * - `"blocking"`: durable, and the event loop is blocked until it is. An append is acknowledged sooner, as it changes no
   *   thread; everything else in the process waits for the drive.
   */
  readonly flush?: "durable" | "drive-cache" | "blocking" | undefined
  /**
   * The file of the worker thread that runs merges: for a program that is bundled, the bundle of `tidemark/worker`. If absent,
   * it is `MergeWorker.js` beside the program. Where it does not run, merges run in the thread of the process, with a warning.
   */
  readonly mergeWorker?: string | URL | undefined
  /**
   * How long the heartbeats of a writer may be missing before another process takes the store over. It applies to a
   * process that cannot look the writer up, such as one in another container or on another host. 10 seconds if absent,
   * at least 100 milliseconds.
   *
   * A process that is stopped for longer, while another one opens the store, is fenced. No acknowledged data is lost.
   */
  readonly lease?: Duration.Input | undefined
  /**
   * How long to wait, while a living process has the store open for writing, before `Locked`. No wait if absent.
   * Finding out whether a process that cannot be looked up is alive takes until its next heartbeat, or the end of its
   * lease, in any case.
   */
  readonly waitForLock?: Duration.Input | undefined
}

const defaultLease = Duration.seconds(10)
const shortestLease = 100
const defaultSegmentBytes = 16 * 1024 * 1024

/**
 * The storage of one directory. Building the layer touches no file.
 *
 * Acquiring the log fails with `Locked` while a living process, or another layer in this one, has it open for writing,
 * and with `NotAStore` where the directory has other content. While the log is acquired, the lock costs a heartbeat
 * every quarter of its lease. Truncation removes whole files: `bounds.lower` may stay below the requested position.
 * Merges of maintenance run in a worker thread.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<Log | Blob> =>
  Layer.merge(storage(options), WorkerMerger.layer(options.mergeWorker))

/**
 * The process that had a store open for writing, according to its lock.
 *
 * @category models
 * @since 0.1.0
 */
export interface Holder {
  readonly pid: number
  readonly host: string
}

/**
 * Removes the lock of a process in another container or on another host. If that process is alive after all, it is
 * fenced as soon as another writer opens the store: its acknowledged commits stay, and it acknowledges nothing more.
 *
 * Opening the store does the same once the lease of the lock has expired. Only a lock of a version without leases stays
 * until it is removed in this way. Fails with `Locked` if the process is seen to be alive, which may take a lease, and
 * with `NotAStore` if there is no store. None if the store had no lock.
 *
 * @see {@link layer}
 * @category maintenance
 * @since 0.1.0
 */
export const unlock = (
  options: Pick<Options, "directory">
): Effect.Effect<Option.Option<Holder>, StorageError | Locked> => {
  const directory = directoryOf(options)
  return Directory.check(directory).pipe(
    Effect.andThen(Effect.flatMap(
      Effect.all({ machine: LockHolder.Machine, nonce: Lock.makeNonce }),
      (opener) => Lock.unlock({ directory, ...opener })
    )),
    Effect.map(Option.fromUndefinedOr),
    File.orRefuse("unlocking the store", directory.root)
  )
}

const directoryOf = ({ directory }: Pick<Options, "directory">): Directory.Directory =>
  Directory.make(resolve(typeof directory === "string" ? directory : fileURLToPath(directory)))

const storage = (options: Options): Layer.Layer<Log | Blob> =>
  Layer.effectContext(Effect.gen(function*() {
    const directory = directoryOf(options)
    const reserve = Reserve.make(directory)
    const log = yield* FileLog.make({
      directory,
      reserve,
      segmentBytes: options.segmentBytes ?? defaultSegmentBytes,
      flush: options.flush ?? "durable",
      leaseMillis: Math.max(shortestLease, Duration.toMillis(Duration.fromInputUnsafe(options.lease ?? defaultLease))),
      waitMillis: Duration.toMillis(Duration.fromInputUnsafe(options.waitForLock ?? 0))
    })
    return Context.make(Log, log).pipe(Context.add(Blob, FileBlob.make(directory, reserve)))
  }))
