import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Writable } from "node:stream"
import { lineOf } from "../../src/cli/Failure.ts"
import * as Output from "../../src/cli/Output.ts"
import { UnknownCollection } from "../../src/PersistError.ts"
import * as Tool from "./Tool.ts"

const name = "a\u001b[2J\u009b\u007f\u2028b"
const escaped = "a\\u001b[2J\\u009b\\u007f\\u2028b"

const printed = (effect: Effect.Effect<void, unknown>): string => {
  let text = ""
  const sink = new Writable({
    write: (chunk: Buffer, _, done) => {
      text += chunk.toString()
      done()
    }
  })
  Effect.runFork(Effect.provideService(effect, Output.Channels, { input: process.stdin, output: sink, error: sink }))
  return text
}

describe("what the tool prints", () => {
  it("has no control characters that come from a name", () => {
    assert.strictEqual(printed(Output.line(`${name}\nnext`)), `${escaped}\nnext\n`)
    assert.strictEqual(printed(Output.note(`${name}\nnext`)), `${escaped}\nnext\n`)
    assert.strictEqual(printed(Output.json({ name })), `{"name":"${escaped}"}\n`)
  })

  it("has columns as wide as what is printed, and a row a line", () => {
    assert.strictEqual(Output.table([["NAME", "X"], ["a\u001b\n", "1"]]), "NAME           X\na\\u001b\\u000a  1")
  })

  it("has one line for an error, escaped", () => {
    assert.strictEqual(lineOf(new UnknownCollection({ collection: name })).includes(escaped), true)
    assert.strictEqual(lineOf(new Error("one\n  two\u001b")), "one two\\u001b")
  })

  it("is escaped where a command line names what is not there", async () => {
    const directory = Tool.temporary()
    await Tool.output(["--dir", directory, "ingest", "orders"], { input: `{"key":"a","value":1,"time":1}\n` })
    const { code, err } = await Tool.run(["--dir", directory, "describe", name])
    assert.deepStrictEqual([code, err.includes(escaped), err.includes("\u001b")], [1, true, false])
    const created = await Tool.run(["--dir", directory, "ingest", name], { input: `{"seal":1}\n` })
    assert.deepStrictEqual([created.code, Tool.lines(created.err).length], [1, 1])
    Tool.remove(directory)
  })
})
