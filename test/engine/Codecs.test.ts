import { assert, describe, it } from "@effect/vitest"
import { ByteWriter } from "../../src/ByteWriter.ts"
import * as Batch from "../../src/engine/Batch.ts"
import * as Collection from "../../src/engine/Collection.ts"
import * as Commit from "../../src/engine/Commit.ts"
import * as Rollup from "../../src/engine/Rollup.ts"
import type * as State from "../../src/engine/State.ts"
import { Corrupt, UnsupportedFormat } from "../../src/PersistError.ts"
import * as Platform from "../../src/Platform.ts"
import * as Prng from "../../src/testing/Prng.ts"
import { row, showColumns, toColumns } from "../batch/Rows.ts"
import {
  allowCompaction,
  apply,
  batch,
  columns,
  commit,
  part,
  registration,
  seal,
  stateOf,
  swap,
  table,
  write
} from "./Fixtures.ts"

const encode = (value: Commit.Commit): Uint8Array => {
  const writer = new ByteWriter()
  Commit.encode(value, writer)
  return writer.finish()
}

/** Undefined, or the error, which must be one of damage. */
const refusal = (run: () => unknown): Corrupt | UnsupportedFormat | undefined => {
  try {
    run()
    return undefined
  } catch (error) {
    if (error instanceof Corrupt || error instanceof UnsupportedFormat) return error
    throw error
  }
}

const everyChange: ReadonlyArray<Commit.Change> = [
  { _tag: "Register", registration: registration(0, "größe") },
  { _tag: "Write", collection: 0, columns: columns(1, 2, Number.MAX_SAFE_INTEGER) },
  { _tag: "Write", collection: 0, columns: columns() },
  seal(0, 3),
  seal(0, Infinity),
  allowCompaction(0, 2),
  allowCompaction(0, Infinity),
  swap(0),
  swap(3, {
    chunksFrom: 4,
    chunksBefore: 9,
    spills: ["a", "b"],
    trace: ["c"],
    newSpills: [batch("d", 3, Infinity), { ...batch("e", 3, Infinity), parts: [part("e"), part("f")] }],
    newTrace: batch("g", 0, 3, { since: 2, level: 3 }),
    traceUpper: 3
  }),
  { _tag: "Rollup", key: "rollup/1", position: 12, logFrom: 7 },
  { _tag: "Evolve", collection: 0, key: "", value: "größer" },
  { _tag: "Register", registration: table(1, "t") },
  { _tag: "Timeline", upper: Number.MAX_SAFE_INTEGER },
  { _tag: "Destroy", collection: 0 }
]

const shown = ({ changes, ...rest }: Commit.Commit) => ({
  ...rest,
  changes: changes.map((change) =>
    change._tag === "Write" ? { ...change, columns: showColumns(change.columns) } : comparable(change)
  )
})

/** Keys are Buffers here, plain bytes there. */
const comparable = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value, (_, each) => {
    if (typeof each === "bigint") return `${each}n`
    if (each === Infinity) return "Infinity"
    return ArrayBuffer.isView(each) || each?.type === "Buffer" ? Buffer.from(each.data ?? each).toString("hex") : each
  }))

describe("commits", () => {
  it("give back what was put in, whatever it is", () => {
    for (const changes of [[], everyChange, ...everyChange.map((change) => [change])]) {
      const value = { ...commit(...changes), writer: Number.MAX_SAFE_INTEGER - 1 }
      assert.deepStrictEqual(shown(Commit.decode(encode(value), "test")), shown(value))
    }
  })

  it("pack rows that are large and alike, and no others, from version 4 on", () => {
    const rows = (count: number, value: string): Commit.Change => ({
      _tag: "Write",
      collection: 0,
      columns: toColumns(Array.from({ length: count }, (_, i) => row(`key ${i}`, value, i, i % 2 === 0 ? 1 : -1)))
    })
    const random = String.fromCharCode(...Prng.make(1).bytes(8_000).map((byte) => 32 + byte % 95))
    const packed = rows(40, "a text that is rewritten again and again. ".repeat(20))
    const plain = [rows(2, "short"), rows(900, "many small rows"), rows(1, random), rows(2, "a".repeat(700_000))]
    for (const change of plain) assert.strictEqual(encode(commit(change))[0], 1)
    const all = commit(...plain, packed, { _tag: "Register", registration: table(1, "t") })
    const bytes = encode(all)
    assert.strictEqual(bytes[0], 4)
    assert.deepStrictEqual(shown(Commit.decode(bytes, "test")), shown(all))
    assert.isBelow(encode(commit(packed)).length, 1_000)
  })

  it("whatever is wrong with a packed write is refused, or nothing is", () => {
    const change: Commit.Change = {
      _tag: "Write",
      collection: 0,
      columns: toColumns(Array.from({ length: 8 }, (_, i) => row("key", "rewritten ".repeat(60), i, 1)))
    }
    const bytes = encode(commit(change))
    for (let length = 0; length < bytes.length; length++) {
      assert.isDefined(refusal(() => Commit.decode(bytes.subarray(0, length), "test")), `${length} bytes`)
    }
    const random = Prng.make(2)
    for (let round = 0; round < 2_000; round++) {
      const damaged = bytes.slice()
      damaged[random.int(bytes.length)] = random.int(256)
      refusal(() => Commit.decode(damaged, "test"))
    }
  })

  it("log_entry_validate, decode_errors: every proper prefix is refused", () => {
    const bytes = encode(commit(...everyChange))
    for (let length = 0; length < bytes.length; length++) {
      assert.isDefined(refusal(() => Commit.decode(bytes.subarray(0, length), "test")), `${length} bytes`)
    }
    assert.isDefined(refusal(() => Commit.decode(Buffer.concat([bytes, Buffer.alloc(1)]), "test")))
  })

  it("nothing but Corrupt and UnsupportedFormat comes out of damaged bytes", () => {
    const bytes = encode(commit(...everyChange))
    const random = Prng.make(1)
    for (let round = 0; round < 3_000; round++) {
      const damaged = bytes.slice()
      for (let i = random.int(3); i >= 0; i--) damaged[random.int(bytes.length)] = random.int(256)
      refusal(() => Commit.decode(damaged, "test"))
    }
  })

  it("a newer version is named, with ours", () => {
    const bytes = encode(commit())
    bytes[0] = 9
    const error = refusal(() => Commit.decode(bytes, "there"))
    assert.deepInclude(error, { _tag: "UnsupportedFormat", location: "there", found: 9, supported: Commit.version })
  })

  it("a swap brings one trace batch at most", () => {
    const batches = [batch("a", 0, 3), batch("b", 3, 5)]
    const bytes = encode(commit(swap(0, { newSpills: batches })))
    const list = new ByteWriter()
    Batch.encodeAll(batches, list)
    // The two lists stand at the end: the spills, and the trace, which is none.
    const [none, spills] = [bytes.slice(-4), list.finish()]
    const exchanged = Buffer.concat([bytes.subarray(0, -4 - spills.length), none, spills])
    assert.include(refusal(() => Commit.decode(exchanged, "test"))?.message ?? "", "more than one trace batch")
  })

  it("of a rollup are distinguished from others by their first bytes", () => {
    for (const change of everyChange) {
      assert.strictEqual(Commit.isRollup(encode(commit(change))), change._tag === "Rollup")
    }
    assert.isFalse(Commit.isRollup(encode(commit())))
    assert.isFalse(Commit.isRollup(new Uint8Array(0).subarray()))
  })
})

/** A state with something of everything. */
const full = (): State.State => {
  const state = stateOf("s", "gone", "t")
  apply(state, write(0, 3, 12), write(2, 1), seal(0, 10), allowCompaction(0, 5))
  apply(
    state,
    swap(0, { newTrace: batch("a", 0, 4, { since: 2 }), newSpills: [batch("b", 4, Infinity)], traceUpper: 4 })
  )
  apply(state, { _tag: "Destroy", collection: 1 }, write(2, 2, 3), seal(2, 1))
  apply(state, write(0, 40))
  return state
}

const summary = (state: State.State) => ({
  ...state,
  rollup: undefined,
  collections: [...state.collections.values()].map((collection) => ({
    ...comparable(collection) as object,
    chunks: collection.chunks.flatMap((block) => showColumns(block.columns))
  }))
})

/** Puts the checksum of a rollup right. */
const sealed = (bytes: Uint8Array): Uint8Array => {
  const checksum = Platform.crc32(bytes.subarray(16), Platform.crc32(bytes.subarray(0, 12)))
  new DataView(bytes.buffer, bytes.byteOffset).setUint32(12, checksum, true)
  return bytes
}

describe("stores in which no schema has changed", () => {
  const evolve: Commit.Change = { _tag: "Evolve", collection: 0, key: "", value: "{}" }

  it("are written as version 1, others as version 2, and those with tables as version 3", () => {
    const plain = everyChange.filter((change) => change._tag !== "Evolve" && !isOfTimeline(change))
    assert.strictEqual(encode(commit(...plain))[0], 1)
    assert.strictEqual(encode(commit(...plain, evolve))[0], 2)
    for (const change of everyChange.filter(isOfTimeline)) assert.strictEqual(encode(commit(change, evolve))[0], 3)
    const state = full()
    assert.strictEqual(Rollup.encode(state, 7)[8], 1)
    apply(state, evolve)
    assert.strictEqual(Rollup.encode(state, 7)[8], 2)
    apply(state, { _tag: "Register", registration: table(3, "table") })
    assert.strictEqual(Rollup.encode(state, 7)[8], 3)
  })
})

const isOfTimeline = (change: Commit.Change): boolean =>
  change._tag === "Timeline" || (change._tag === "Register" && change.registration.isOnTimeline)

describe("rollups", () => {
  it("keep the documents of before", () => {
    const state = full()
    apply(
      state,
      { _tag: "Evolve", collection: 0, key: "k", value: "v" },
      { _tag: "Evolve", collection: 0, key: "k", value: "w" }
    )
    const bytes = Rollup.encode(state, 7)
    const collection = Rollup.decode(bytes, "test").collections.get(0)!
    assert.deepStrictEqual(Collection.documents(collection), [
      { key: "", value: "{}" },
      { key: "k", value: "v" },
      { key: "k", value: "w" }
    ])
    for (let length = 0; length < bytes.length; length++) {
      assert.isDefined(refusal(() => Rollup.decode(sealed(bytes.slice(0, Math.max(length, 16))), "test")))
    }
  })

  it("give back the state", () => {
    const state = full()
    const decoded = Rollup.decode(Rollup.encode(state, state.position), "test")
    assert.deepStrictEqual(summary(decoded), summary({ ...state, logFrom: state.position }))
    const empty = stateOf()
    assert.deepStrictEqual(summary(Rollup.decode(Rollup.encode(empty, 0), "test")), summary(empty))
  })

  it("keep the timeline, which the tables share", () => {
    const state = full()
    for (const id of [3, 4]) apply(state, { _tag: "Register", registration: table(id, `table${id}`) })
    apply(state, write(3, 20), { _tag: "Timeline", upper: 21 })
    const bytes = Rollup.encode(state, state.position)
    const decoded = Rollup.decode(bytes, "test")
    assert.deepStrictEqual(summary(decoded), summary({ ...state, logFrom: state.position }))
    apply(decoded, write(4, 30), { _tag: "Timeline", upper: 31 })
    assert.deepStrictEqual([0, 2, 3, 4].map((id) => decoded.collections.get(id)!.upper), [10, 1, 31, 31])
    new DataView(bytes.buffer, bytes.byteOffset).setUint32(40, 22, true)
    assert.include(
      refusal(() => Rollup.decode(sealed(bytes), "test"))?.message ?? "",
      "another upper than the timeline"
    )
  })

  it("leave the rows from a position on to the log", () => {
    const state = full()
    const decoded = Rollup.decode(Rollup.encode(state, 5), "test")
    assert.strictEqual(decoded.logFrom, 5)
    assert.deepStrictEqual(
      [...decoded.collections.values()].map(({ memoryRows }) => memoryRows),
      [2, 1]
    )
  })

  it("checksum, decode_errors: every flipped bit, every proper prefix and every byte too many is refused", () => {
    const bytes = Rollup.encode(full(), 7)
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const damaged = bytes.slice()
      damaged[bit >> 3]! ^= 1 << (bit & 7)
      assert.isDefined(refusal(() => Rollup.decode(damaged, "test")), `bit ${bit}`)
    }
    for (let length = 0; length < bytes.length; length++) {
      assert.isDefined(refusal(() => Rollup.decode(bytes.subarray(0, length), "test")), `${length} bytes`)
    }
    assert.isDefined(refusal(() => Rollup.decode(Buffer.concat([bytes, Buffer.alloc(8)]), "test")))
  })

  it("build_version, check_meta_version: a newer version is named, with ours", () => {
    const bytes = Rollup.encode(full(), 7)
    bytes[8] = 4
    const error = refusal(() => Rollup.decode(bytes, "there"))
    assert.deepInclude(error, { _tag: "UnsupportedFormat", location: "there", found: 4, supported: Rollup.version })
  })

  it("nothing but Corrupt comes out of damaged bytes whose checksum was put right", () => {
    const bytes = Rollup.encode(full(), 7)
    const random = Prng.make(2)
    for (let round = 0; round < 3_000; round++) {
      const damaged = bytes.slice()
      damaged[16 + random.int(bytes.length - 16)] = random.int(256)
      refusal(() => Rollup.decode(sealed(damaged), "test"))
    }
  })
})

describe("blob_meta_validate, trace_meta_validate, unsealed_meta_validate: a rollup that no engine has made", () => {
  const s = (state: State.State): Collection.Collection => state.collections.get(0)!
  const trace = (...batches: ReadonlyArray<Batch.Batch>) => (state: State.State) => void (s(state).trace = batches)

  const cases: ReadonlyArray<readonly [message: string, change: (state: State.State) => void]> = [
    ["the rollup lets the wrong part of the log go", (state) => void (state.logFrom = state.position + 1)],
    ["\"s\": the trace upper passes the seal", (state) => void (s(state).traceUpper = 11)],
    ["\"s\": a trace batch covers no time", trace(batch("x", 3, 3))],
    ["\"s\": trace batches overlap in time", trace(batch("x", 0, 3), batch("y", 2, 4))],
    ["\"s\": levels increase from an older", trace(batch("x", 0, 2), batch("y", 2, 4, { level: 1 }))],
    ["\"s\": a trace batch ends beyond the trace upper", trace(batch("x", 0, 5))],
    ["\"s\": a batch has been advanced beyond", trace(batch("x", 0, 4, { since: 6 }))],
    ["\"s\": a blob is referenced twice", trace(batch("b", 0, 4))],
    ["\"t\" refers to a blob of another collection", (state) => {
      state.collections.get(2)!.spills = [batch("b", 0, Infinity)]
    }],
    ["\"t\" has an id that was never given", (state) => void (state.nextCollection = 2)],
    ["destroyed collection \"gone\" has an id that was never given", (state) => void state.destroyed.set("gone", 3)],
    ["\"t\" is both live and destroyed", (state) => void state.destroyed.set("t", 1)],
    ["\"s\" has rows beyond the last sequence number", (state) => void (state.seqNo = 4)]
  ]

  for (const [message, change] of cases) {
    it(message, () => {
      const state = full()
      change(state)
      const error = refusal(() => Rollup.decode(Rollup.encode(state, Math.max(7, state.logFrom)), "test"))
      assert.include(error?.message ?? "", message)
    })
  }

  it("has a message of its own each time, and a good one has none", () => {
    assert.strictEqual(new Set(cases.map(([message]) => message)).size, cases.length)
    assert.isUndefined(Rollup.stateViolation(full()))
  })

  it("names and ids stand once", () => {
    const twice = (...names: ReadonlyArray<readonly [number, string]>) => {
      const state = stateOf()
      names.forEach(([id, name], i) => state.collections.set(i, Collection.make(registration(id, name))))
      state.nextCollection = 9
      return refusal(() => Rollup.decode(Rollup.encode(state, 0), "test"))?.message ?? ""
    }
    assert.include(twice([0, "a"], [0, "b"]), "a collection id stands twice")
    assert.include(twice([0, "a"], [1, "a"]), "a collection name stands twice")
    const state = stateOf()
    state.destroyed.set("aa", 0).set("ab", 1)
    state.nextCollection = 2
    const bytes = Rollup.encode(state, 0)
    const at = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).indexOf("ab")
    bytes[at + 1] = "a".charCodeAt(0)
    assert.include(refusal(() => Rollup.decode(sealed(bytes), "test"))?.message ?? "", "a destroyed name stands twice")
  })
})
