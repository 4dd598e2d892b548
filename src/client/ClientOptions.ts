/**
 * Limits and schedules of a client, and their defaults.
 *
 * @since 0.1.0
 */
import { Duration, Schedule } from "effect"
import * as Resilience from "../runtime/Resilience.ts"
import type * as Runtime from "../runtime/Runtime.ts"

/**
 * Limits and schedules of a writing client. The defaults suit a store of gigabytes on one disk.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * What metrics call the store, as their attribute `store`. Default: the location of its storage. Stores of one name that
   * a process has open at the same time are numbered.
   */
  readonly name?: string | undefined
  /** Commands that may wait for the runtime. Further callers wait. Default 1,024. */
  readonly queueCapacity?: number | undefined
  /** Bytes of rows that may wait. Default 64 MiB. */
  readonly queueBytes?: number | undefined
  /** Bytes of rows that share a commit at most, about. Default 8 MiB. */
  readonly groupBytes?: number | undefined
  /** Bytes of unsealed or recent rows in memory beyond which they are written to batches. Default 64 MiB. */
  readonly memoryBytes?: number | undefined
  /** Bytes of log after which it is rolled up and truncated. Default 64 MiB. */
  readonly logBytes?: number | undefined
  /** Bytes of rows that stay in memory when the log is rolled up. Default 1 MiB. */
  readonly inlineBytes?: number | undefined
  /** Bytes of rows below `since` in memory that are worth compacting. Default 1 MiB. */
  readonly reclaimBytes?: number | undefined
  /** The size of one blob of a batch, about. Default 16 MiB. */
  readonly partBytes?: number | undefined
  /** Bytes of decoded blocks kept for readers. Default 64 MiB. */
  readonly cacheBytes?: number | undefined
  /** Bytes of recent commits kept for listeners; slower ones read the log. Default 8 MiB. */
  readonly feedBytes?: number | undefined
  /** Bytes of log that a slow listener may keep from truncation before it gets `HoldExpired`. Default 256 MiB. */
  readonly heldLogBytes?: number | undefined
  /** How long replaced blobs stay for readers in other processes. Default 10 seconds. */
  readonly grace?: Duration.Input | undefined
  /**
   * How long a read or a subscription waits for a time to be sealed before it logs a warning, once. Default 10 seconds;
   * with `Duration.infinity` it never does.
   */
  readonly patience?: Duration.Input | undefined
  /** When to look for maintenance that is due, while there may be any: an idle store has no ticks. Default every second. */
  readonly maintenance?: Schedule.Schedule<unknown> | undefined
  /** How operations on unavailable storage are retried. Default five times within half a second. */
  readonly retry?: Schedule.Schedule<unknown> | undefined
  /**
   * How long one operation of the storage may take before it counts as failed. An append to the log then fails with
   * `Indeterminate`. Every other operation counts as `Unavailable` and is retried. Default 30 seconds.
   */
  readonly timeout?: Duration.Input | undefined
}

const mebibyte = 1024 * 1024

/** @internal */
export const resolve = (options: Options): Runtime.Options => ({
  name: options.name,
  mailbox: { capacity: options.queueCapacity ?? 1024, capacityBytes: options.queueBytes ?? 64 * mebibyte },
  maxGroupBytes: options.groupBytes ?? 8 * mebibyte,
  limits: {
    memoryBytes: options.memoryBytes ?? 64 * mebibyte,
    logBytes: options.logBytes ?? 64 * mebibyte,
    inlineBytes: options.inlineBytes ?? mebibyte,
    reclaimBytes: options.reclaimBytes ?? mebibyte
  },
  partBytes: options.partBytes ?? 16 * mebibyte,
  cacheBytes: options.cacheBytes ?? 64 * mebibyte,
  feedBytes: options.feedBytes ?? 8 * mebibyte,
  heldLogBytes: options.heldLogBytes ?? 256 * mebibyte,
  grace: Duration.fromInputUnsafe(options.grace ?? "10 seconds"),
  patience: Duration.fromInputUnsafe(options.patience ?? "10 seconds"),
  maintenance: options.maintenance ?? Schedule.spaced("1 second"),
  resilience: {
    retry: options.retry ?? Resilience.defaultSchedule,
    timeout: Duration.fromInputUnsafe(options.timeout ?? "30 seconds")
  }
})
