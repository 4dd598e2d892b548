import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { Unavailable } from "../../../src/PersistError.ts"
import { Blob } from "../../../src/storage/Blob.ts"
import { Log, type Writer } from "../../../src/storage/Log.ts"
import * as MemoryStorage from "../../../src/storage/MemoryStorage.ts"
import * as Nemesis from "../../../src/testing/nemesis/Nemesis.ts"
import * as Seeds from "../../../src/testing/simulation/Seeds.ts"
import type * as Simulation from "../../../src/testing/simulation/Simulation.ts"
import * as Faults from "../../../src/testing/storage/Faults.ts"
import * as Nemeses from "./Nemeses.ts"

// The other half of the seeds is in Processes.test.ts.
describe("no promise is broken", () => {
  Nemeses.tests("Nemesis.test.ts", [
    { profile: "mixed", faults: "harsh", share: 250 },
    { profile: "mixed", faults: "none", share: 150 },
    { profile: "busy", faults: "mild", share: 100 }
  ])
})

interface Lie {
  readonly writer?: (writer: Writer) => Partial<Writer>
  readonly blob?: (blob: Blob["Service"]) => Partial<Blob["Service"]>
}

/** A storage in memory that lies. */
const lying = ({ blob: lieOfBlob = () => ({}), writer: lieOfWriter = () => ({}) }: Lie): Simulation.MakeStorage =>
  Effect.map(MemoryStorage.make, (store) => {
    const log = Effect.map(Log, (honest): Log["Service"] => ({
      ...honest,
      acquire: Effect.map(honest.acquire, (writer) => ({ ...writer, ...lieOfWriter(writer) }))
    }))
    const blob = Effect.map(Blob, (honest): Blob["Service"] => ({ ...honest, ...lieOfBlob(honest) }))
    const layer = Layer.provide(
      Layer.merge(Layer.effect(Log, log), Layer.effect(Blob, blob)),
      MemoryStorage.layerOf(store)
    )
    return { layer, killed: Effect.void, crash: Effect.void }
  })

const failed = Effect.fail(new Unavailable({ operation: "append", detail: "a lie" }))

const lies: ReadonlyArray<readonly [string, Lie]> = [
  ["acknowledges what it drops", {
    writer: ({ append }) => ({
      append: (position, entries) =>
        position % 7 === 3 ? Effect.succeed(position + entries.length) : append(position, entries)
    })
  }],
  ["says that an append failed that it has made", {
    writer: ({ append }) => ({
      append: (position, entries) =>
        Effect.flatMap(append(position, entries), (upper) => position % 9 === 8 ? failed : Effect.succeed(upper))
    })
  }],
  ["does not append all that it is given", {
    writer: ({ append }) => ({
      append: (position, entries) =>
        append(position, position % 9 === 8 ? entries.map((_, i) => entries[i]!.slice(0, -1)) : entries)
    })
  }],
  ["loses blobs", {
    blob: ({ put }) => ({ put: (key, bytes) => key.endsWith("3") ? Effect.void : put(key, bytes) })
  }],
  ["deletes nothing", { blob: () => ({ delete: () => Effect.void }) }]
]

describe("a nemesis", () => {
  it.live.each(lies)("finds out a storage that %s", ([, lie]) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(
        Seeds.search({ storage: lying(lie), program: Nemesis.program(), faults: Faults.none, seeds: 40, shrinkRuns: 0 })
      )
      assert.instanceOf(error, Seeds.SeedFailed)
      assert.instanceOf(error.cause, Nemesis.NemesisFound)
    }))
})
