/**
 * Blobs: immutable objects by key.
 *
 * A key is written once; a second `put` of a key leaves the first bytes alone and succeeds, so that a put whose outcome
 * is unknown can be tried again. A blob means nothing until a log entry names it: a blob that was written in part, or
 * was never named, is garbage. Keys are `/`-separated segments of `[a-z0-9._-]`.
 *
 * @since 0.1.0
 */
import { Context, type Effect, type Option, type Stream } from "effect"
import type { StorageError } from "../PersistError.ts"

/**
 * A byte range: from `offset`, at most `length` bytes.
 *
 * @category models
 * @since 0.1.0
 */
export interface Range {
  readonly offset: number
  readonly length: number
}

/**
 * One element of a listing.
 *
 * @category models
 * @since 0.1.0
 */
export interface Info {
  readonly key: string
  readonly bytes: number
}

/**
 * The service.
 *
 * @category services
 * @since 0.1.0
 */
export class Blob extends Context.Service<Blob, {
  /** Names the storage in messages. */
  readonly location: string
  /** Durable, and complete for every reader, when it returns. */
  readonly put: (key: string, bytes: Uint8Array) => Effect.Effect<void, StorageError>
  /** The bytes, or those of a range (fewer where the blob ends before it), or none where there is no such blob. */
  readonly get: (key: string, range?: Range) => Effect.Effect<Option.Option<Uint8Array>, StorageError>
  /** Deleting a blob that does not exist succeeds. */
  readonly delete: (key: string) => Effect.Effect<void, StorageError>
  /** Every complete blob whose key starts with the prefix. A blob put or deleted meanwhile may or may not be listed. */
  readonly list: (prefix: string) => Stream.Stream<Info, StorageError>
}>()("tidemark/Blob") {}
