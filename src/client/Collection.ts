/**
 * The handle of a collection: it appends and reads.
 *
 * @since 0.1.0
 */
import type { CollectionReader } from "./CollectionReader.ts"
import type { CollectionWriter } from "./CollectionWriter.ts"

/**
 * Both halves of the handle in one. Code that must only read is given `reader`, code that must only append `writer`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Collection<in out K, in out V, out E = never>
  extends CollectionReader<K, V, E>, CollectionWriter<K, V, E>
{
  readonly reader: CollectionReader<K, V, E>
  readonly writer: CollectionWriter<K, V, E>
}

/** @internal */
export const make = <K, V, E>(
  reader: CollectionReader<K, V, E>,
  writer: CollectionWriter<K, V, E>
): Collection<K, V, E> => ({ ...reader, ...writer, reader, writer })
