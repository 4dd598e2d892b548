/**
 * The URLs of stores.
 *
 * Only the modules of the named storage are loaded, so that the packages of the others need not be installed.
 *
 * @internal
 */
import { Context, Effect, Layer } from "effect"
import { MissingPackage, NotAStore } from "../PersistError.ts"
import { Blob } from "../storage/Blob.ts"
import type { Log } from "../storage/Log.ts"
import * as MemoryStorage from "../storage/MemoryStorage.ts"

type Storage = Layer.Layer<Log | Blob>

type Open = (url: URL) => Effect.Effect<Storage, NotAStore | MissingPackage>

/** The parameters of a URL, by the names of the options. */
const optionsOf = (url: URL, names: ReadonlyArray<string>): Record<string, string> =>
  Object.fromEntries([...url.searchParams].filter(([name]) => names.includes(name)))

/** Loads the modules of a storage that needs an optional peer dependency. */
export const load = <A>(
  purpose: string,
  packageName: string,
  module: () => Promise<A>
): Effect.Effect<A, MissingPackage> =>
  Effect.tryPromise({
    try: module,
    catch: (cause) =>
      new MissingPackage({
        purpose,
        packageName,
        detail: codeOf(cause) === "ERR_MODULE_NOT_FOUND" ? "is not installed" : `cannot be loaded (${codeOf(cause)})`
      })
  })

const codeOf = (cause: unknown): string =>
  cause instanceof Error ? String("code" in cause ? cause.code : cause.message) : String(cause)

/** With merges in a worker thread, as files have it. */
const merging = (storage: Storage): Effect.Effect<Storage> =>
  Effect.map(
    Effect.promise(() => import("../node/index.ts")),
    ({ MergeWorkers }) => Layer.merge(storage, MergeWorkers.layer())
  )

const postgres: Open = (url) =>
  Effect.gen(function*() {
    const { PostgresStorage } = yield* load(
      "a store in Postgres",
      "@effect/sql-pg",
      () => import("../postgres/index.ts")
    )
    const schema = url.searchParams.get("schema")
    if (schema !== null && !PostgresStorage.isSchema(schema)) {
      return yield* refused(url, "its schema needs quotes, or is too long")
    }
    return yield* merging(PostgresStorage.layer({ url: url.href }))
  })

/** The kinds of storage. */
const schemes: Readonly<Record<string, Open>> = {
  "memory:": () => Effect.succeed(MemoryStorage.layer),
  "file:": (url) =>
    url.host === "" && !/%2f/i.test(url.pathname)
      ? Effect.map(
        Effect.promise(() => import("../node/index.ts")),
        ({ FileStorage }) => FileStorage.layer({ directory: url })
      )
      : Effect.fail(refused(url, "it must be an absolute path, as in file:///var/lib/orders")),
  "postgres:": postgres,
  "postgresql:": postgres,
  "s3:": (url) =>
    Effect.flatMap(
      load("a store in a bucket", "@aws-sdk/client-s3", () => import("../s3/index.ts")),
      ({ S3Storage }) =>
        merging(S3Storage.layer({
          bucket: url.host,
          prefix: decodeURIComponent(url.pathname.replaceAll(/^\/|\/$/g, "")),
          ...optionsOf(url, ["endpoint", "region"])
        }))
    )
}

/** Names the scheme only: the rest may contain a password. */
const refused = (url: URL, detail: string): NotAStore => new NotAStore({ location: `${url.protocol}...`, detail })

const openOne = (text: string): ReturnType<Open> => {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined) return Effect.fail(new NotAStore({ location: "what was named", detail: "it is no URL" }))
  const open = schemes[url.protocol]
  const known = Object.keys(schemes).join(", ")
  return open === undefined ? Effect.fail(refused(url, `the schemes of stores are ${known}`)) : open(url)
}

/** The log of one storage, with how that merges, and the blobs of another. */
const pair = (ofLog: Storage, ofBlobs: Storage): Storage =>
  Layer.effectContext(Effect.gen(function*() {
    const [log, blobs] = [yield* Layer.build(ofLog), yield* Layer.build(ofBlobs)]
    return Context.add(log, Blob, Context.get(blobs, Blob))
  }))

/** The storage that a text names: one URL, or two with a space between, of the log and of the blobs. */
export const storage = (text: string): ReturnType<Open> => {
  const [log = "", blobs, ...others] = text.trim().split(/\s+/)
  if (others.length > 0) {
    return Effect.fail(new NotAStore({ location: "what was named", detail: "it has more than two URLs" }))
  }
  return blobs === undefined ? openOne(log) : Effect.zipWith(openOne(log), openOne(blobs), pair)
}
