/**
 * The log: an ordered, durable, fenced sequence of entries, and the only part of a store that must be atomic.
 *
 * Entries are opaque bytes at consecutive positions 0, 1, 2, ... A process that `acquire`s the log raises its epoch and
 * may append. Every process may read. All state of a store is the fold of its log, so the contract is short and strict:
 *
 * - `append` of several entries is one atomic, durable step: after success all of them survive a crash; after a failure
 *   other than `Indeterminate` none of them is ever read.
 * - An append that carries an epoch below the log's is rejected with `Fenced`.
 * - `read` returns each retained entry once, in order, with no gap, and never one that is not durable.
 * - `truncate` removes a prefix. Positions are never used again.
 *
 * @since 0.1.0
 */
import { Context, type Effect, type Scope, type Stream } from "effect"
import type { Corrupt, Locked, StorageError, UnsupportedFormat } from "../PersistError.ts"

/**
 * One entry of the log.
 *
 * @category models
 * @since 0.1.0
 */
export interface Entry {
  readonly position: number
  /** The epoch of the writer that appended it. */
  readonly epoch: number
  readonly bytes: Uint8Array
}

/**
 * The retained entries are those at positions in [lower, upper).
 *
 * @category models
 * @since 0.1.0
 */
export interface Bounds {
  readonly lower: number
  readonly upper: number
}

/**
 * The right to append, until its scope closes or a newer writer acquires the log.
 *
 * @category models
 * @since 0.1.0
 */
export interface Writer {
  readonly epoch: number
  /** What was retained when the log was acquired: `bounds.upper` is the first position to append at. */
  readonly bounds: Bounds
  /**
   * Appends all entries, or none, at `position`, which must be the log's upper. Returns the new upper. One call at a
   * time. The bytes of the entries belong to the log until the effect has ended, and to the caller again after it.
   *
   * After `Indeterminate` the writer is unusable: `acquireAfter` its epoch, read the tail, and check whether the entries
   * are in it.
   */
  readonly append: (
    position: number,
    entries: ReadonlyArray<Uint8Array>
  ) => Effect.Effect<number, StorageError>
  /**
   * Removes the entries below `before`, at most up to the upper. A position that is already truncated is not an error.
   */
  readonly truncate: (before: number) => Effect.Effect<void, StorageError>
  /**
   * Separates the present entries from later ones, so that truncating to the present upper leaves no byte of them in
   * the storage, neither in retained segments nor in recycled ones. Not to be called during an append.
   */
  readonly rotate: Effect.Effect<void, StorageError>
}

/**
 * Whether an append, or a put of a blob, makes the store smaller in the end, as the destruction or the compaction of a
 * collection does. Storage that keeps space for a full disk may use it then.
 *
 * @category services
 * @since 0.1.0
 */
export const MayUseReserve: Context.Reference<boolean> = Context.Reference<boolean>("tidemark/MayUseReserve", {
  defaultValue: () => false
})

/**
 * The service.
 *
 * @category services
 * @since 0.1.0
 */
export class Log extends Context.Service<Log, {
  /** Names the storage in messages. */
  readonly location: string
  /** Takes write authority by raising the epoch. Closing the scope releases the lock, if there is one. */
  readonly acquire: Effect.Effect<Writer, StorageError | Locked, Scope.Scope>
  /**
   * As `acquire`, for the writer of `epoch` after an append of unknown outcome. Fails with `Fenced`, and changes nothing,
   * where another writer has got a later epoch: the append is in the log by then, or will never be.
   */
  readonly acquireAfter: (epoch: number) => Effect.Effect<Writer, StorageError | Locked, Scope.Scope>
  readonly bounds: Effect.Effect<Bounds, StorageError>
  /**
   * The durable entries from `from` up to the upper at the time of the call, in arrays as they come from storage. Fails
   * with `Unavailable` where `from` has been truncated: read `bounds`.
   */
  readonly read: (from: number) => Stream.Stream<Entry, StorageError>
  /** Ticks when the log may have grown. A hint: ticks may be lost, merged or spurious. Never fails, never ends. */
  readonly changes: Stream.Stream<void>
  /**
   * Checks every byte that belongs to the log without changing anything. One element for each problem, none if there is
   * none.
   */
  readonly verify: Stream.Stream<Corrupt | UnsupportedFormat, StorageError>
}>()("tidemark/Log") {}
