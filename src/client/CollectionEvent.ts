/**
 * What listeners and subscribers of a collection receive.
 *
 * @since 0.1.0
 */
import type { Frontier } from "../Frontier.ts"
import type { Update } from "../Update.ts"

/**
 * One event of `listen` or `subscribe`.
 *
 * - `Updates`: some updates. A listener receives those of one commit, in the order in which they were appended. A
 *   subscriber gets updates at complete times, consolidated, in chunks.
 * - `Progress`: everything below `frontier` has been delivered; no update at an earlier time follows.
 *
 * @category models
 * @since 0.1.0
 */
export type CollectionEvent<K, V> =
  | { readonly _tag: "Updates"; readonly updates: ReadonlyArray<Update<K, V>> }
  | { readonly _tag: "Progress"; readonly frontier: Frontier }
