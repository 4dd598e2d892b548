/**
 * The storage that a URL names, so that the location of a store is configuration.
 *
 * | URL                                           | store                                                       |
 * | --------------------------------------------- | ----------------------------------------------------------- |
 * | `file:///path`                                | a directory                                                 |
 * | `memory:`                                     | memory, for as long as the layer lives                      |
 * | `postgres://user:password@host/db?schema=name` | a schema of a Postgres database; `tidemark` if absent       |
 * | `s3://bucket/prefix?endpoint=url&region=name` | a bucket; keys come from the environment                    |
 *
 * Two URLs with a space between name the storage of the log and that of the blobs: `postgres://host/db
 * s3://bucket/prefix` has its log in Postgres and its blobs in a bucket.
 *
 * @since 0.1.0
 */
import { Config, Effect, Layer, Redacted } from "effect"
import type { MissingPackage, NotAStore } from "../PersistError.ts"
import type { Blob } from "../storage/Blob.ts"
import type { Log } from "../storage/Log.ts"
import * as StorageUrl from "./StorageUrl.ts"

/**
 * The storage that a URL names. Fails with `NotAStore` if it names none, and with `MissingPackage` if the package that
 * it needs is not installed. Nothing is sent or touched.
 *
 * @example
 * ```ts run
 * import { Effect, Layer } from "effect"
 * import { PersistClient } from "tidemark"
 * import { StorageConfig } from "tidemark/config"
 *
 * const client = PersistClient.layer().pipe(Layer.provide(StorageConfig.layerUrl("memory:")))
 * await Effect.runPromise(Effect.provide(PersistClient.PersistClient.use(({ sync }) => sync), client))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerUrl = (
  url: string | Redacted.Redacted<string>
): Layer.Layer<Log | Blob, NotAStore | MissingPackage> =>
  Layer.unwrap(StorageUrl.storage(typeof url === "string" ? url : Redacted.value(url)))

/**
 * The storage in the configuration: `TIDEMARK_STORE`, or the given one.
 *
 * @see {@link layerUrl}
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  url: Config.Config<string | Redacted.Redacted<string>> = Config.Redacted("TIDEMARK_STORE")
): Layer.Layer<Log | Blob, NotAStore | MissingPackage | Config.ConfigError> => Layer.unwrap(Effect.map(url, layerUrl))
