/**
 * The root command: options and output that every command of the tool shares.
 *
 * @internal
 */
import { Config, Effect, type Layer, Option } from "effect"
import { Command, Flag } from "effect/cli"
import { StorageConfig } from "../config/index.ts"
import { FileStorage } from "../node/index.ts"
import type { MissingPackage, NotAStore } from "../PersistError.ts"
import type { Blob } from "../storage/Blob.ts"
import type { Log } from "../storage/Log.ts"
import { Usage } from "./Failure.ts"

const defaultDirectory = "./.tidemark"

/** The location of a store. */
export type Storage = Layer.Layer<Log | Blob, NotAStore | MissingPackage>

export const root = Command.make("tidemark").pipe(
  Command.withSharedFlags({
    dir: Flag.Directory("dir").pipe(
      Flag.withDescription(`The store's directory (default: $TIDEMARK_DIR, else ${defaultDirectory})`),
      Flag.optional
    ),
    store: Flag.String("store").pipe(
      Flag.withDescription(
        "The store's URL, instead of --dir: file:///path, postgres://host/database, s3://bucket/prefix, or two of them, " +
          "with a space between, for log and blobs (default: $TIDEMARK_STORE)"
      ),
      Flag.optional
    ),
    json: Flag.Boolean("json").pipe(
      Flag.withDescription("Print results as JSON, for programs"),
      Flag.withDefault(false)
    )
  }),
  Command.withDescription(
    "Durable, time-versioned, differential collections: write updates, seal times, read the contents as of any of them."
  )
)

/**
 * The storage, and the flags that name it to another command. A URL is not repeated, since it may contain a password.
 */
const placeOf = Effect.fnUntraced(function*(dir: Option.Option<string>, store: Option.Option<string>) {
  if (Option.isSome(dir) && Option.isSome(store)) {
    return yield* new Usage({ message: "--dir and --store both name the store: give one of them" })
  }
  const url = Option.isSome(store) ? store : yield* Config.option(Config.String("TIDEMARK_STORE"))
  if (Option.isNone(dir) && Option.isSome(url)) {
    const storage: Storage = StorageConfig.layerUrl(url.value)
    const place: Option.Option<string | URL> = url.value.startsWith("file:")
      ? Option.some(new URL(url.value))
      : Option.none()
    return { storage, directory: place, flags: Option.isSome(store) ? ["--store", "..."] : [] }
  }
  const fallback = Config.String("TIDEMARK_DIR").pipe(Config.withDefault(defaultDirectory))
  const directory = Option.isSome(dir) ? dir.value : yield* fallback
  const storage: Storage = FileStorage.layer({ directory })
  return {
    storage,
    directory: Option.some(directory),
    flags: directory === defaultDirectory ? [] : ["--dir", directory]
  }
})

/** The values of the shared flags, or else those of the environment. */
export const common = Effect.gen(function*() {
  const { dir, json, store } = yield* root
  return { json, ...(yield* placeOf(dir, store)) }
})
