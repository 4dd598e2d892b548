/**
 * The receipt of an erasure.
 *
 * @since 0.1.0
 */
import { DateTime, Effect, Schema } from "effect"
import * as Platform from "../Platform.ts"
import type { Erased } from "../runtime/Maintenance.ts"

/**
 * What became of a key that was erased. It holds nothing of the key but its hash, so that it can be kept.
 *
 * @category models
 * @since 0.1.0
 */
export class Erasure extends Schema.Class<Erasure>("tidemark/Erasure")({
  collection: Schema.String,
  /** SHA-256 of the encoded key, in hexadecimal digits. */
  keyHash: Schema.String,
  /** Everything that the log had before this position is free of the key. */
  position: Schema.Number,
  /** Stored rows of the key that were left out. */
  rows: Schema.Number,
  /** Blobs that were deleted: those that had rows of the key, and whatever else was garbage. */
  blobs: Schema.Number,
  /** When the last of it was gone. */
  erasedAt: Schema.DateTimeUtc
}) {
  /** @internal */
  static receipt(collection: string, key: Uint8Array, erased: Erased): Effect.Effect<Erasure> {
    return Effect.map(
      DateTime.now,
      (erasedAt) => new Erasure({ collection, keyHash: Platform.sha256(key), ...erased, erasedAt })
    )
  }
}
