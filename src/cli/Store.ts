/**
 * Opening a store, and the collections in it.
 *
 * @internal
 */
import { Effect, Layer, Schedule } from "effect"
import * as PersistClient from "../client/PersistClient.ts"
import * as StoredJson from "../client/StoredJson.ts"
import * as Codec from "../Codec.ts"
import * as Recovery from "../runtime/Recovery.ts"
import { Blob } from "../storage/Blob.ts"
import { Log } from "../storage/Log.ts"
import type { Storage } from "./Root.ts"

/** The storage of a store that is there. */
export const existing = (storage: Storage) =>
  Layer.effectDiscard(Effect.flatMap(Log, (log) => log.bounds)).pipe(Layer.provideMerge(storage))

/** To read, also beside a live writer. */
export const reading = (storage: Storage) => PersistClient.layerReadOnly().pipe(Layer.provideMerge(existing(storage)))

/** To write, in a store that is there. */
export const changing = (storage: Storage) => PersistClient.layer().pipe(Layer.provideMerge(existing(storage)))

/** To write, in a store that is made where there is none. */
export const writing = (storage: Storage) => PersistClient.layer().pipe(Layer.provideMerge(storage))

/**
 * Opens a collection; where there is none, it makes one of JSON keys and values; where there was one, only if that
 * is to be begun anew.
 */
export const openOrCreate = Effect.fnUntraced(function*(name: string, recreate: boolean) {
  const client = yield* PersistClient.PersistClient
  yield* client.description(name).pipe(
    Effect.catchTag(
      "UnknownCollection",
      () => client.createOrLoad(name, { key: Codec.json, value: Codec.json, recreate })
    )
  )
  return yield* StoredJson.open(name)
})

/** The state of the store as it is on disk now, and how many bytes of the log are behind its rollup. */
export const recover = Effect.gen(function*() {
  const { logSizes, state } = yield* Recovery.load(yield* Log, yield* Blob)
  return { state, logBytes: logSizes.reduce((sum, { bytes }) => sum + bytes, 0) }
}).pipe(
  // A writer may truncate what is being read: then there is a newer state.
  Effect.retry({ schedule: Schedule.spaced("50 millis"), times: 2 })
)
