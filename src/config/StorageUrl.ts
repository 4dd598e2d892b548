/**
 * The URLs of stores.
 *
 * Only the modules of the place that is named are loaded, so that the packages of the others need not be there.
 *
 * @internal
 */
import { Context, Effect, Layer } from "effect"
import { NotAStore, Unavailable } from "../PersistError.ts"
import { Blob } from "../storage/Blob.ts"
import { Log } from "../storage/Log.ts"
import * as MemoryStorage from "../storage/MemoryStorage.ts"

type Storage = Layer.Layer<Log | Blob>

type Open = (url: URL) => Effect.Effect<Storage, NotAStore | Unavailable>

/** The parameters of a URL that are there, by the names that options have. */
const optionsOf = (url: URL, names: ReadonlyArray<string>): Record<string, string> =>
  Object.fromEntries([...url.searchParams].filter(([name]) => names.includes(name)))

const load = <A>(packageName: string, module: () => Promise<A>): Effect.Effect<A, Unavailable> =>
  Effect.tryPromise({
    try: module,
    catch: () =>
      new Unavailable({ operation: "opening the store", detail: `the package ${packageName} is not installed` })
  })

const postgres: Open = (url) =>
  Effect.gen(function*() {
    const { PostgresStorage } = yield* load("@effect/sql-pg", () => import("../postgres/index.ts"))
    const schema = url.searchParams.get("schema")
    if (schema !== null && !PostgresStorage.isSchema(schema)) {
      return yield* refused(url, "its schema needs quotes, or is too long")
    }
    return PostgresStorage.layer({ url: url.href })
  })

/** What a store may lie in. */
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
    Effect.map(load("@aws-sdk/client-s3", () => import("../s3/index.ts")), ({ S3Storage }) =>
      S3Storage.layer({
        bucket: url.host,
        prefix: decodeURIComponent(url.pathname.replaceAll(/^\/|\/$/g, "")),
        ...optionsOf(url, ["endpoint", "region"])
      }))
}

/** Names the scheme only: the rest may have a password in it. */
const refused = (url: URL, detail: string): NotAStore => new NotAStore({ location: `${url.protocol}...`, detail })

const openOne = (text: string): ReturnType<Open> => {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined) return Effect.fail(new NotAStore({ location: "what was named", detail: "it is no URL" }))
  const open = schemes[url.protocol]
  const known = Object.keys(schemes).join(", ")
  return open === undefined ? Effect.fail(refused(url, `the schemes of stores are ${known}`)) : open(url)
}

/** The log of one storage and the blobs of another. */
const pair = (ofLog: Storage, ofBlobs: Storage): Storage =>
  Layer.effectContext(Effect.gen(function*() {
    const [log, blobs] = [yield* Layer.build(ofLog), yield* Layer.build(ofBlobs)]
    return Context.make(Log, Context.get(log, Log)).pipe(Context.add(Blob, Context.get(blobs, Blob)))
  }))

/** The storage that a text names: one URL, or two with a space between, of the log and of the blobs. */
export const storage = (text: string): ReturnType<Open> => {
  const [log = "", blobs, ...others] = text.trim().split(/\s+/)
  if (others.length > 0) {
    return Effect.fail(new NotAStore({ location: "what was named", detail: "it has more than two URLs" }))
  }
  return blobs === undefined ? openOne(log) : Effect.zipWith(openOne(log), openOne(blobs), pair)
}
