/**
 * The metrics of a runtime, as Effect `Metric`s: read them with `Metric.snapshot`, or export them with the modules that
 * Effect ships.
 *
 * Each has the attributes `store` and `role`, so that the stores of a process have series of their own; `total` adds them up.
 *
 * Counters end in `_total`; times are in seconds, sizes in bytes. Hot paths update them through one opened context,
 * once per group of commands and never per row.
 *
 * @since 0.1.0
 */
import { type Context, Duration, Effect, Metric } from "effect"

const counter = (name: string, description: string) =>
  Metric.counter(`tidemark_${name}`, { description, incremental: true })
const gauges: Array<Metric.Gauge<number>> = []
const gauge = (name: string, description: string): Metric.Gauge<number> => {
  const made = Metric.gauge(`tidemark_${name}`, { description })
  gauges.push(made)
  return made
}
const sizes = (name: string, description: string) =>
  Metric.histogram(`tidemark_${name}`, {
    description,
    boundaries: Metric.exponentialBoundaries({ start: 1, factor: 2, count: 14 })
  })
const seconds = (name: string, description: string) =>
  Metric.histogram(`tidemark_${name}_seconds`, {
    description,
    boundaries: Metric.exponentialBoundaries({ start: 0.0001, factor: 2, count: 18 })
  })

// The store.
export const collectionCount = gauge("collection_count", "Live collections")
export const unsealedBlobCount = gauge("unsealed_blob_count", "Blobs of unsealed batches")
export const unsealedBlobBytes = gauge("unsealed_blob_bytes", "Bytes in blobs of unsealed batches")
export const unsealedMemoryBytes = gauge("unsealed_memory_bytes", "Bytes of unsealed rows in memory")
export const traceBlobCount = gauge("trace_blob_count", "Blobs of trace batches")
export const traceBlobBytes = gauge("trace_blob_bytes", "Bytes in blobs of trace batches")
export const rollupBytes = gauge("rollup_bytes", "Size of the newest rollup")

// Commands.
export const commandsIn = counter("commands_in_total", "Commands accepted from handles")
export const commandsRun = counter("commands_run_total", "Commands executed")
export const commandsFailed = counter("commands_failed_total", "Commands failed by storage")
export const ownerDefects = counter("owner_defects_total", "Stores that a defect has ended; alert")
export const queueDepth = gauge("queue_depth", "Commands waiting for the runtime")
export const queueWait = seconds("queue_wait", "Time from a command's acceptance to its execution")
export const groupSize = sizes("group_commands", "Commands that shared a commit")
export const flushTime = seconds("flush", "Time of one durable append")
export const commits = counter("commits_total", "Entries appended to the log")
export const commitBytes = counter("commit_bytes_total", "Bytes appended to the log")
export const writes = counter("writes_total", "Write commands executed")
export const transactions = counter("transactions_total", "Transactions executed, those that lost included")
export const writtenRows = counter("written_rows_total", "Rows made durable")
export const writtenBytes = counter(
  "written_bytes_total",
  "Bytes of rows made durable: keys, values, 16 for time and diff"
)
export const indeterminate = counter("indeterminate_total", "Appends whose outcome had to be found out")

// Maintenance.
export const steps = counter("maintenance_steps_total", "Maintenance jobs run")
export const stepErrors = counter("maintenance_errors_total", "Maintenance jobs that failed, and will be tried again")
export const maintenanceDefects = counter(
  "maintenance_defects_total",
  "Runs of maintenance that ended in a defect; alert"
)
export const stepTime = seconds("maintenance", "Time of one maintenance job")
export const compactions = counter("compactions_total", "Trace merges applied")
export const compactionBytes = counter("compaction_bytes_total", "Bytes written by maintenance jobs")
export const compactionsStale = counter("compactions_stale_total", "Merges dropped because the state had moved on")
export const mergeWorkerDeaths = counter(
  "merge_worker_deaths_total",
  "Worker threads of merges that died or did not start; alert"
)
export const backlogJobs = gauge("backlog_jobs", "Maintenance jobs that are due")
export const garbageBlobs = gauge("garbage_blobs", "Blobs no longer referenced that wait for a lease or the grace time")
export const unreadableHolds = counter(
  "unreadable_holds_total",
  "Times a damaged or newer hold was met that keeps all blobs"
)

// Blobs and the cache over them.
export const blobWrites = counter("blob_writes_total", "Blobs stored")
export const blobWriteBytes = counter("blob_write_bytes_total", "Bytes of blobs stored")
export const blobWriteTime = seconds("blob_write", "Time of storing one blob")
export const blobDeletes = counter("blob_deletes_total", "Blobs deleted")
export const blobReads = counter("blob_reads_total", "Reads of blobs or ranges of them")
export const blobReadBytes = counter("blob_read_bytes_total", "Bytes read from blobs")
export const storageRetries = counter("storage_retries_total", "Storage operations tried again")
export const storageErrors = counter("storage_errors_total", "Storage operations that failed after all tries")
export const outOfSpace = counter("out_of_space_total", "Storage operations refused for lack of space")
export const circuitOpen = gauge("circuit_open", "1 while storage keeps failing and operations are tried only once")
export const cacheHits = counter("cache_hits_total", "Blocks found in the cache")
export const cacheMisses = counter("cache_misses_total", "Blocks fetched")
export const cacheFetchBytes = counter("cache_fetch_bytes_total", "Bytes fetched on misses")
export const cacheBytes = gauge("cache_bytes", "Bytes of blocks in the cache")

// Readers.
export const listeners = gauge("listeners", "Listeners and subscriptions open")
export const longWaits = counter("long_waits_total", "Reads and subscriptions that waited long for a time to be sealed")
export const listenerRereads = counter("listener_rereads_total", "Times a slow listener went back to the log")

/**
 * Lets `Effect.trackDuration` feed a histogram of seconds.
 *
 * @since 0.1.0
 */
export const inSeconds = (histogram: ReturnType<typeof seconds>) =>
  Metric.mapInput(histogram, (elapsed: Duration.Duration) => Duration.toSeconds(elapsed))

/** Sets the gauges of a store that is closed to zero. @internal */
export const resetLevels = (context: Context.Context<never>): void => {
  for (const gauge of gauges) gauge.updateUnsafe(0, context)
}

/**
 * The sum of a counter or a gauge over all stores and collections of the process.
 *
 * @example
 * ```ts run
 * import { Effect } from "effect"
 * import { Codec, MemoryStorage, Metrics, PersistClient, Update } from "tidemark"
 *
 * const program = Effect.gen(function*() {
 *   const persist = yield* PersistClient.make({ name: "orders" })
 *   const orders = yield* persist.createOrLoad("orders", { key: Codec.string, value: Codec.string })
 *   yield* orders.append([Update.insert("o-1", "ordered", 1)])
 *   if ((yield* Metrics.total(Metrics.writtenRows)) < 1) throw new Error("a row was written")
 * })
 * await Effect.runPromise(Effect.scoped(Effect.provide(program, MemoryStorage.layer)))
 * ```
 *
 * @since 0.1.0
 */
export const total = (metric: Metric.Counter<number> | Metric.Gauge<number>): Effect.Effect<number> =>
  Effect.map(Metric.snapshot, (all) => {
    let sum = 0
    for (const { id, state } of all) {
      if (id !== metric.id) continue
      if ("count" in state) sum += Number(state.count)
      else if ("value" in state) sum += Number(state.value)
    }
    return sum
  })
