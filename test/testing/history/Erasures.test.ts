import { assert, describe, it } from "@effect/vitest"
import * as HistoryChecker from "../../../src/testing/history/Checker.ts"
import type * as History from "../../../src/testing/history/History.ts"

const done: History.Reply = { _tag: "Done" }

const answered = (client: string, invoked: number, call: History.Call, reply: History.Reply): History.Operation => ({
  client,
  call,
  reply,
  outcome: "ok",
  invoked,
  completed: invoked + 1
})

const open = (client: string, mode: "writer" | "reader", at: number) =>
  answered(client, at, { _tag: "Open", mode }, done)

const write = (at: number, seqNo: number, ...updates: ReadonlyArray<History.Update>) =>
  answered("w", at, { _tag: "Write", targets: [{ collection: 0, updates }] }, { _tag: "Sequenced", seqNo })

const erase = (at: number): History.Operation => answered("w", at, { _tag: "Erase", collection: 0, key: "a" }, done)

const read = (client: string, at: number, seqNo: number, rows: ReadonlyArray<History.Row>, asOf?: number) =>
  answered(client, at, { _tag: "Snapshot", collection: 0, asOf }, {
    _tag: "Contents",
    seqNo,
    since: 0,
    upper: asOf === undefined ? 0 : 1,
    rows
  })

const begin = [
  open("w", "writer", 0),
  open("r", "reader", 2),
  write(10, 1, ["a", "secret", 0, 1], ["b", "other", 0, 1])
]
const sealed = answered("w", 15, { _tag: "Seal", collections: [0], upper: 1 }, { _tag: "Sequenced", seqNo: 2 })

const kindsOf = (...rest: ReadonlyArray<History.Operation>) =>
  HistoryChecker.check([...begin, ...rest]).map(({ kind }) => kind)

const secret: History.Row = ["a", "secret", 1]
const other: History.Row = ["b", "other", 1]

describe("an erasure", () => {
  it("may be seen, or not, by who asks before the receipt", () => {
    assert.deepStrictEqual(kindsOf(erase(20), read("w", 20.5, 1, [secret, other])), [])
    assert.deepStrictEqual(kindsOf(erase(20), read("w", 20.5, 1, [other])), [])
  })

  for (const client of ["w", "r"]) {
    it(`is seen after the receipt, by ${client === "w" ? "its writer" : "a follower"}`, () => {
      assert.deepStrictEqual(kindsOf(erase(20), read(client, 30, 1, [other])), [])
      assert.deepStrictEqual(kindsOf(erase(20), read(client, 30, 1, [secret, other])), ["ErasedShown"])
    })
  }

  it("takes nothing else with it", () => {
    assert.deepStrictEqual(kindsOf(erase(20), read("w", 30, 1, [])), ["LostWrite"])
  })

  it("leaves what is written of the key afterwards", () => {
    const anew = write(30, 2, ["a", "new", 0, 1])
    assert.deepStrictEqual(kindsOf(erase(20), anew, read("w", 40, 2, [["a", "new", 1], other])), [])
    assert.deepStrictEqual(kindsOf(erase(20), anew, read("w", 40, 2, [["a", "new", 1], secret, other])), [
      "ErasedShown"
    ])
  })

  it("is not known to a writer that was opened before, nor to a follower that reads a complete time", () => {
    assert.deepStrictEqual(kindsOf(open("fenced", "writer", 12), erase(20), read("fenced", 30, 1, [secret, other])), [])
    assert.deepStrictEqual(kindsOf(sealed, erase(20), read("r", 30, 1, [secret, other], 0)), [])
  })

  it("is known to who has asked for it, and to who opens the store later, as of every time", () => {
    assert.deepStrictEqual(kindsOf(sealed, erase(20), read("w", 30, 1, [secret, other], 0)), ["ErasedShown"])
    const late = [open("late", "reader", 30), read("late", 40, 1, [secret, other], 0)]
    assert.deepStrictEqual(kindsOf(sealed, erase(20), ...late), ["ErasedShown"])
  })

  it("that was not acknowledged is no promise", () => {
    const unknown: History.Operation = { ...erase(20), outcome: "unknown", reply: undefined }
    assert.deepStrictEqual(kindsOf(unknown, read("w", 30, 1, [secret, other])), [])
    assert.deepStrictEqual(kindsOf(unknown, read("w", 30, 1, [other])), [])
  })
})
