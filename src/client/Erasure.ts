/**
 * The receipt of an erasure.
 *
 * @since 0.1.0
 */
import { DateTime, Effect, Schema } from "effect"
import * as Platform from "../Platform.ts"
import type { Erased } from "../runtime/Eraser.ts"

/**
 * The result of an erasure. It contains only the hash of the key, so that it can be stored.
 *
 * @category models
 * @since 0.1.0
 */
export class Erasure extends Schema.Class<Erasure>("tidemark/Erasure")({
  collection: Schema.String,
  /** SHA-256 of the encoded key, in hexadecimal digits. */
  keyHash: Schema.String,
  /** Entries of the log before this position no longer contain the key. */
  position: Schema.Number,
  /** Stored rows of the key that were removed. */
  rows: Schema.Number,
  /** Blobs that were deleted: those that contained rows of the key, and other garbage. */
  blobs: Schema.Number,
  /** When the last blob was deleted. */
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
