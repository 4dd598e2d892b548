import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { split } from "../../src/formats/Split.ts"

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)

describe("split", () => {
  const cases: ReadonlyArray<readonly [text: string, pieces: ReadonlyArray<string>]> = [
    ["", []],
    ["a", ["a"]],
    ["a\n", ["a"]],
    ["\n", [""]],
    ["one\n\ntwo\nthree", ["one", "", "two", "three"]]
  ]
  it.effect.each(cases)("%j, cut anywhere, gives the same pieces", ([text, pieces]) =>
    Effect.gen(function*() {
      const bytes = utf8(text)
      for (let size = 1; size <= bytes.length + 1; size++) {
        const chunks = Array.from(
          { length: Math.ceil(bytes.length / size) },
          (_, i) => bytes.subarray(i * size, (i + 1) * size)
        )
        const found = yield* Stream.runCollect(split(Stream.fromArray(chunks), 0x0a, (piece) => piece))
        assert.deepStrictEqual(found.flat().map((piece) => new TextDecoder().decode(piece)), pieces)
      }
    }))
})
