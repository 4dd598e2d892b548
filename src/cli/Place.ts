/**
 * A place that an argument names: a directory, or the URL of a storage.
 *
 * @internal
 */
import { StorageConfig } from "../config/index.ts"
import { FileStorage } from "../node/index.ts"
import type { Storage } from "./Root.ts"

/** A path has no colon after a scheme of two letters or more. */
export const storageOf = (place: string): Storage =>
  /^[a-z][a-z0-9+.-]+:/i.test(place) ? StorageConfig.layerUrl(place) : FileStorage.layer({ directory: place })
