/**
 * `tidemark/operators`: streams in and out of collections, with frontiers.
 *
 * @since 0.1.0
 */
export { awaitFrontier } from "./AwaitFrontier.ts"
export * as Current from "./Current.ts"
export * as Flow from "./Flow.ts"
export { persist } from "./Persist.ts"
export { registered, type Registration } from "./Registered.ts"
export { conditionalSeal, seal, type Sealable, type SealOptions } from "./Seal.ts"
export { persistedSource, replay, type SourceOptions } from "./Source.ts"
export { type Session, type UnorderedInput, unorderedInput } from "./UnorderedInput.ts"
export { retractUnsealed } from "./Unsealed.ts"
export * as Upsert from "./Upsert.ts"
