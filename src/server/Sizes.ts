/**
 * Why a store is as large as it is, over HTTP.
 *
 * @internal
 */
import { Effect, Semaphore } from "effect"
import * as Footprint from "../client/Footprint.ts"
import { PersistClient, storeOf } from "../client/PersistClient.ts"
import * as RunningFlows from "../client/RunningFlows.ts"
import * as StoredJson from "../client/StoredJson.ts"
import type { Collection } from "../engine/Collection.ts"
import * as Preview from "../runtime/Preview.ts"
import { Caller, covers, coversAll } from "./Grants.ts"
import * as Problem from "./Problem.ts"
import type { Connected } from "./Subscriptions.ts"

/** A name for a POSIX shell. */
const quoted = (name: string): string => /^[\w.-]+$/.test(name) ? name : `'${name.replaceAll("'", `'\\''`)}'`

export const commandOf = (name: string, since: number): string => `tidemark compact ${quoted(name)} --since ${since}`

const sizeOf = (collection: Collection) => {
  const { memoryBytes: logBytes, registration: { name }, since, upper } = collection
  const { bytes, rows } = Preview.of(collection)
  return { name, rows, bytes, logBytes, since, upper }
}

export const make = (client: PersistClient["Service"], connected: () => ReadonlyArray<Connected>) => {
  const store = storeOf(client)
  const open = (name: string) => Effect.provideService(StoredJson.open(name), PersistClient, client)
  // Each reads a whole collection.
  const one = Semaphore.makeUnsafe(1)

  return {
    footprint: (name: string) =>
      Effect.gen(function*() {
        const { description } = yield* open(name)
        const { keys, ...found } = yield* Footprint.of(store, description)
        const codec = StoredJson.codec(description.key)
        return {
          ...found,
          since: description.since,
          upper: description.upper,
          keys: keys.map(({ bytes, key, lastChanged, updates }) => ({
            key: codec.decode(key, 0, key.length),
            bytes,
            updates,
            lastChanged
          }))
        }
      }).pipe(Effect.mapError(Problem.of)),
    rehearsal: (name: string, since: number) =>
      Effect.gen(function*() {
        const { description } = yield* open(name)
        const sizes = yield* one.withPermit(Footprint.rehearse(store, description, since))
        return { since, ...sizes, command: commandOf(name, since) }
      }).pipe(Effect.mapError(Problem.of)),
    store: Effect.gen(function*() {
      const caller = yield* Caller
      yield* Effect.mapError(store.sync, Problem.of)
      const holds = coversAll(caller) ? yield* Effect.mapError(store.holds, Problem.of) : []
      const { collections, logFrom, position, seqNo } = store.state()
      const seen = [...collections.values()].filter(({ registration }) => covers(caller, registration.name))
      const uppers = new Map(seen.map(({ registration, upper }) => [registration.name, upper]))
      return {
        seqNo,
        logEntries: position - logFrom,
        collections: seen.map(sizeOf),
        holds: holds.map(({ leaseMillis, name }) => ({ name, leaseMillis })),
        subscribers: connected().flatMap(({ collection, delivered }) => {
          const upper = uppers.get(collection)
          return upper === undefined ? [] : [{ collection, delivered, upper }]
        }),
        flows: RunningFlows.of(client).flatMap(({ from, name, to }) => {
          const ends = [...from, to].flatMap((collection) => {
            const upper = uppers.get(collection)
            return upper === undefined ? [] : [{ collection, upper }]
          })
          // A flow is shown to those who may see all of it.
          return ends.length === from.length + 1 ? [{ name, from: ends.slice(0, -1), to: ends.at(-1)! }] : []
        })
      }
    })
  }
}
