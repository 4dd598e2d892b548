/**
 * Tidemark: durable, time-versioned, differential collections for Effect applications.
 *
 * @module tidemark
 * @since 0.1.0
 */
export * as Collection from "./client/Collection.ts"
export * as CollectionEvent from "./client/CollectionEvent.ts"
export * as CollectionReader from "./client/CollectionReader.ts"
export * as CollectionWriter from "./client/CollectionWriter.ts"
export * as Erasure from "./client/Erasure.ts"
export * as Listen from "./client/Listen.ts"
export * as MultiWriter from "./client/MultiWriter.ts"
export * as PersistClient from "./client/PersistClient.ts"
export * as Retention from "./client/Retention.ts"
export * as Snapshot from "./client/Snapshot.ts"
export * as Subscription from "./client/Subscription.ts"
export * as Codec from "./Codec.ts"
export * as Frontier from "./Frontier.ts"
export * as PersistError from "./PersistError.ts"
export * as Metrics from "./runtime/Metrics.ts"
export * as StoreCopy from "./runtime/StoreCopy.ts"
export * as Blob from "./storage/Blob.ts"
export * as Log from "./storage/Log.ts"
export * as MemoryStorage from "./storage/MemoryStorage.ts"
export * as StoredCodec from "./StoredCodec.ts"
export * as Update from "./Update.ts"
