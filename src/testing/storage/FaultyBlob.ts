/**
 * Blobs with faults: a decorator that fulfils the contract of `Blob`, in its worst case.
 *
 * @since 0.1.0
 */
import { Effect, Layer, Option, Stream } from "effect"
import type { StorageError } from "../../PersistError.ts"
import { Blob, type Info } from "../../storage/Blob.ts"
import * as BlobKey from "../../storage/BlobKey.ts"
import * as Faults from "./Faults.ts"

/**
 * Adds faults to a blob store. Its lists may be stale, as those of some object stores are, but for those of named holds,
 * which the writer has to see before it deletes what they keep.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Blob, never, Blob | Faults.Injector> = Layer.effect(
  Blob,
  Effect.gen(function*() {
    const blob = yield* Blob
    const injector = yield* Faults.Injector
    /** The blobs at the time of the last list. */
    let listed: ReadonlyArray<Info> = []

    const write = (operation: "put" | "delete", call: Effect.Effect<void, StorageError>) =>
      Faults.meet(
        injector,
        operation,
        (fate): Effect.Effect<void, StorageError> =>
          Faults.isUnheard(fate) ? Faults.unheard(injector, operation, fate, call) : call
      )

    const list = Effect.fnUntraced(function*(prefix: string, { kind }: Faults.Fate) {
      BlobKey.checkPrefix(prefix)
      const before = listed
      listed = yield* Stream.runCollect(blob.list(""))
      const isStale = kind === "stale" && !prefix.startsWith("hold/")
      return (isStale ? before : listed).filter(({ key }) => key.startsWith(prefix))
    })

    return {
      location: blob.location,
      put: (key, bytes) => write("put", blob.put(key, bytes.slice())),
      get: (key, range) =>
        Faults.meet(injector, "get", () =>
          Effect.map(
            blob.get(key, range),
            Option.map((bytes) => injector.rotten(key, range?.offset ?? 0, bytes))
          )),
      delete: (key) => write("delete", blob.delete(key)),
      list: (prefix) =>
        Stream.unwrap(Effect.map(
          Faults.meet(injector, "list", (fate) => list(prefix, fate)),
          (infos) => Stream.fromArray(infos)
        ))
    }
  })
)
