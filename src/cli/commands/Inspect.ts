/**
 * `tidemark inspect`: what is stored, and why, and which keys are the largest.
 *
 * @internal
 */
import { Duration, Effect, Option } from "effect"
import { Argument, Command } from "effect/cli"
import * as KeyFootprint from "../../client/Footprint.ts"
import { PersistClient, storeOf } from "../../client/PersistClient.ts"
import * as StoredJson from "../../client/StoredJson.ts"
import * as Batch from "../../engine/Batch.ts"
import type { Collection } from "../../engine/Collection.ts"
import type { State } from "../../engine/State.ts"
import * as Frontier from "../../Frontier.ts"
import * as HoldFiles from "../../runtime/HoldFiles.ts"
import * as Orphans from "../../runtime/Orphans.ts"
import { Blob } from "../../storage/Blob.ts"
import { Log } from "../../storage/Log.ts"
import * as Footprint from "../Footprint.ts"
import * as Output from "../Output.ts"
import * as Printable from "../Printable.ts"
import { common } from "../Root.ts"
import * as Store from "../Store.ts"

const batchJson = (batch: Batch.Batch) => ({
  level: batch.level,
  rows: Batch.rows(batch),
  bytes: Batch.bytes(batch),
  minTime: Batch.minTime(batch),
  maxTime: Batch.maxTime(batch),
  lower: Frontier.toJson(batch.lower),
  upper: Frontier.toJson(batch.upper),
  since: Frontier.toJson(batch.since),
  parts: batch.parts.map(({ bytes, checksum, key, rows }) => ({
    blob: `blobs/${key}`,
    rows,
    bytes,
    checksum: checksum.toString(16).padStart(16, "0")
  }))
})

const collectionJson = (collection: Collection) => {
  const { chunks, memoryBytes, memoryRows, registration, since, spills, trace, traceUpper, upper } = collection
  return {
    name: registration.name,
    id: registration.id,
    key: registration.key.name,
    value: registration.value.name,
    since: Frontier.toJson(since),
    upper: Frontier.toJson(upper),
    traceUpper: Frontier.toJson(traceUpper),
    memory: { blocks: chunks.length, rows: memoryRows, bytes: memoryBytes },
    spills: spills.map(batchJson),
    trace: trace.map(batchJson)
  }
}

const batchRow = (place: string, batch: Batch.Batch, why: string): ReadonlyArray<string> => [
  place,
  String(batch.level),
  Output.count(Batch.rows(batch)),
  Output.bytes(Batch.bytes(batch)),
  `${Batch.minTime(batch)}..${Batch.maxTime(batch)}`,
  String(batch.parts.length),
  why
]

const covers = ({ lower, since, upper }: Batch.Batch): string =>
  `sealed times ${lower} to before ${Frontier.format(upper)}${
    since > 0 ? `, distinguishable from ${Frontier.format(since)} on` : ""
  }`

const collectionText = (collection: Collection): string => {
  const { chunks, memoryBytes, memoryRows, registration: { key, name, value }, since, spills, trace, upper } =
    collection
  const rows = [
    ["WHERE", "LEVEL", "ROWS", "BYTES", "TIMES", "PARTS", "WHY"],
    ...(memoryRows === 0 ? [] : [[
      "log",
      "-",
      Output.count(memoryRows),
      Output.bytes(memoryBytes),
      `${Math.min(...chunks.map((chunk) => chunk.minTime))}..${Math.max(...chunks.map((chunk) => chunk.maxTime))}`,
      String(chunks.length),
      "not yet in a batch: read from the log into memory when the store is opened"
    ]]),
    ...spills.map((batch) => batchRow("spill", batch, "not sealed yet")),
    ...trace.map((batch) => batchRow("trace", batch, covers(batch)))
  ]
  const head = `${name}: ${key.name} -> ${value.name}, since ${Frontier.format(since)}, upper ${Frontier.format(upper)}`
  return rows.length === 1 ? `${head}\n  (no rows)` : `${head}\n${Output.table(rows).replaceAll(/^/gm, "  ")}`
}

/** The largest keys of collections, by their names. */
const largestKeys = (collections: ReadonlyArray<Collection>) =>
  Effect.gen(function*() {
    const client = yield* PersistClient
    const found = new Map<string, ReadonlyArray<KeySize>>()
    for (const { registration: { id, key, name } } of collections) {
      const codec = StoredJson.codec(key)
      const { keys } = yield* KeyFootprint.of(storeOf(client), { id, name })
      found.set(
        name,
        keys.map(({ bytes, key, lastChanged, updates }) => ({
          key: codec.decode(key, 0, key.length),
          bytes,
          updates,
          lastChanged
        }))
      )
    }
    return found
  }).pipe(
    // It was destroyed meanwhile, or a block of it cannot be read: the rest is printed all the same.
    Effect.catchTag(["CollectionDestroyed", "Corrupt"], () => Effect.succeed(new Map<string, ReadonlyArray<KeySize>>()))
  )

interface KeySize {
  readonly key: StoredJson.Json
  readonly bytes: number
  readonly updates: number
  readonly lastChanged: number
}

const keyWidth = 60

const keysText = (keys: ReadonlyArray<KeySize>): string => {
  if (keys.length === 0) return ""
  const rows = keys.slice(0, 5).map(({ bytes, key, lastChanged, updates }) => [
    Printable.printable(JSON.stringify(key)).slice(0, keyWidth),
    Output.bytes(bytes),
    Output.count(updates),
    String(lastChanged)
  ])
  return `\n${Output.table([["LARGEST KEYS", "BYTES", "UPDATES", "LAST CHANGED"], ...rows]).replaceAll(/^/gm, "  ")}`
}

const rollupText = ({ rollup }: State): string =>
  rollup === undefined
    ? "no rollup: the log holds everything since the store was made"
    : `rollup blobs/${rollup.key}: stands for the log before position ${rollup.position}`

export const inspect = Command.make(
  "inspect",
  {
    name: Argument.String("NAME").pipe(Argument.optional)
  },
  Effect.fn(function*({ name }) {
    const { json, storage } = yield* common
    yield* Effect.gen(function*() {
      const log = yield* Log
      const bounds = yield* log.bounds
      const { logBytes, state } = yield* Store.recover
      const orphans = yield* Orphans.list(state, Effect.void)
      const holds = yield* HoldFiles.list(yield* Blob)
      const collections = Option.isSome(name)
        ? [yield* Footprint.collectionOf(state, name.value)]
        : [...state.collections.values()]
      const keys = yield* largestKeys(collections)
      if (json) {
        return yield* Output.json({
          location: log.location,
          log: { ...bounds, bytes: logBytes },
          rollup: state.rollup === undefined ? null : { ...state.rollup, key: `blobs/${state.rollup.key}` },
          seqNo: state.seqNo,
          collections: collections.map((collection) => ({
            ...collectionJson(collection),
            largestKeys: keys.get(collection.registration.name) ?? []
          })),
          destroyed: [...state.destroyed.keys()],
          holds: holds.map(({ leaseMillis, name }) => ({ name, leaseMillis })),
          orphans
        })
      }
      yield* Output.line(`store ${log.location}`)
      yield* Output.line(
        `log: entries ${bounds.lower} to before ${bounds.upper}, ${Output.bytes(logBytes)} to read when opening`
      )
      yield* Output.line(rollupText(state))
      for (const { leaseMillis, name } of holds) {
        yield* Output.line(
          `hold "${name}": kept until ${Duration.format(Duration.millis(leaseMillis))} after its last sign of life`
        )
      }
      if (orphans.length > 0) {
        yield* Output.line(
          `${Output.counted(orphans.length, "orphan")} of ${Output.bytes(Orphans.bytesOf(orphans))}: see tidemark gc`
        )
      }
      for (const collection of collections) {
        const largest = keysText(keys.get(collection.registration.name) ?? [])
        yield* Output.line(`\n${collectionText(collection)}${largest}`)
      }
    }).pipe(Effect.scoped, Effect.provide(Store.reading(storage)))
  })
).pipe(
  Command.withDescription(
    "Print what is stored and why: the log, the rollup, the holds, and for each collection its rows in the log, its batches, and " +
      "its largest keys with their last changes."
  ),
  Command.withShortDescription("Print what is stored, and why"),
  Command.withExamples([
    { command: "tidemark inspect", description: "The whole store" },
    { command: "tidemark inspect orders --json", description: "One collection, with every blob and checksum" }
  ])
)
