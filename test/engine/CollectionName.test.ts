import { assert, describe, it } from "@effect/vitest"
import * as CollectionName from "../../src/engine/CollectionName.ts"

describe("a collection's name", () => {
  it.each([
    ["nothing", ""],
    ["257 code units", "x".repeat(257)],
    ["129 pairs of code units", "\u{1F600}".repeat(129)],
    ["a control character", "a\u001b[31m"],
    ["a NUL", "\u0000"],
    ["the last of C0", "a\u001f"],
    ["DEL", "a\u007f"],
    ["the first of C1", "\u0080a"],
    ["the last of C1", "a\u009f"],
    ["a newline", "a\nb"],
    ["a line separator", "a\u2028b"],
    ["a paragraph separator", "a\u2029b"],
    ["a high surrogate alone", "a\ud83d"],
    ["a low surrogate alone", "\ude00a"]
  ])("is not %s", (_, name) => {
    assert.isString(CollectionName.violation(name))
  })

  it.each(["a", " ", "~", "\u00a0", "größe/🙂 ?&#%", "x".repeat(256), "\u{1F600}".repeat(128)])("may be %j", (name) => {
    assert.isUndefined(CollectionName.violation(name))
  })
})
