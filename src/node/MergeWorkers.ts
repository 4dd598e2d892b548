/**
 * Merges of maintenance in a worker thread, for stores whose storage brings none: those in Postgres, in a bucket or in memory.
 *
 * @since 0.1.0
 */
import type { Layer } from "effect"
import * as WorkerMerger from "./WorkerMerger.ts"

/**
 * How the worker thread is started.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * The file of the worker thread: for a program that is bundled, the bundle of `tidemark/worker`. If absent, it is
   * `MergeWorker.js` beside the program.
   */
  readonly file?: string | URL | undefined
}

/**
 * Runs the merges of every client that is built with this layer in one worker thread, one after the other. Where the thread
 * does not run, merges run in the thread of the process, with one warning. `FileStorage.layer` has a worker of its own. Provide
 * the same value of this layer to several stores, so that they share the thread.
 *
 * @example
 * ```ts run
 * import { Effect, Layer } from "effect"
 * import { MemoryStorage, PersistClient } from "tidemark"
 * import { MergeWorkers } from "tidemark/node"
 *
 * const client = PersistClient.layer().pipe(
 *   Layer.provide([MemoryStorage.layer, MergeWorkers.layer()])
 * )
 * await Effect.runPromise(Effect.provide(PersistClient.PersistClient.use(({ sync }) => sync), client))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = ({ file }: Options = {}): Layer.Layer<never> => WorkerMerger.layer(file)
