/**
 * Opens a store and its collections.
 *
 * @internal
 */
import { Effect, Layer, Option } from "effect"
import * as PersistClient from "../client/PersistClient.ts"
import * as StoredJson from "../client/StoredJson.ts"
import * as Codec from "../Codec.ts"
import * as Frontier from "../Frontier.ts"
import * as Recovery from "../runtime/Recovery.ts"
import { Log } from "../storage/Log.ts"
import * as Delivery from "./Delivery.ts"
import type { Storage } from "./Root.ts"

/** The storage of an existing store. */
export const existing = (storage: Storage) =>
  Layer.effectDiscard(Effect.flatMap(Log, (log) => log.bounds)).pipe(Layer.provideMerge(storage))

/** To read, also while a writer is running. */
export const reading = (storage: Storage) => PersistClient.layerReadOnly().pipe(Layer.provideMerge(existing(storage)))

/** To write, in an existing store. */
export const changing = (storage: Storage) => PersistClient.layer().pipe(Layer.provideMerge(existing(storage)))

/** To write, in a store that is created if absent. */
export const writing = (storage: Storage) => PersistClient.layer().pipe(Layer.provideMerge(storage))

/** As `writing`, with retries for a while if the store is unavailable. */
export const writingPatiently = (storage: Storage) =>
  Layer.effect(PersistClient.PersistClient, Delivery.persistently(PersistClient.make())).pipe(
    Layer.provideMerge(storage)
  )

/** A collection of JSON keys and values, in its state right after its creation. */
const newborn = { key: { name: "json", document: "" }, value: { name: "json", document: "" }, upper: Frontier.initial }

/** A collection to write to, which is created if absent. */
export const destination = Effect.fnUntraced(function*(name: string, recreate: boolean) {
  const client = yield* PersistClient.PersistClient
  const found = yield* Effect.option(
    Effect.catchTag(client.description(name), "UnknownCollection", () => Effect.fail(undefined))
  )
  const create = client.createOrLoad(name, { key: Codec.json, value: Codec.json, recreate })
  return {
    isThere: Option.isSome(found),
    description: { name, ...Option.getOrElse(found, () => newborn) },
    open: Delivery.persistently(Effect.andThen(Option.isSome(found) ? Effect.void : create, StoredJson.open(name)))
  }
})

/** The state of the store as it is on disk now, and how many bytes of the log are behind its rollup. */
export const recover = Effect.map(Recovery.latest, ({ logSizes, state }) => ({
  state,
  logBytes: logSizes.reduce((sum, { bytes }) => sum + bytes, 0)
}))
