import { assert, describe, it } from "@effect/vitest"
import * as ExactJson from "../src/ExactJson.ts"

describe("ExactJson", () => {
  it("marks the numbers that would become others, wherever they are", () => {
    for (
      const source of ["9007199254740993", "-9007199254740993", "18446744073709551616", "9007199254740993.5", "1e400"]
    ) {
      const { isInexact, json } = ExactJson.parse(`{"a":[1,{"b":${source}}]}`)
      assert.isTrue(isInexact, source)
      assert.isTrue(ExactJson.hasInexact(json), source)
      assert.deepStrictEqual(json, { a: [1, { b: new ExactJson.Inexact(source) }] })
    }
  })

  it("reads everything else as JSON.parse does, and what JSON.stringify has written", () => {
    const values = [
      2 ** 53 - 1,
      2 ** 53,
      1e20,
      1.2345678901234567e20,
      1e21,
      1e300,
      0.1 + 0.2,
      "9007199254740993",
      "1e400"
    ]
    for (const value of values) {
      assert.deepStrictEqual(ExactJson.parse(JSON.stringify([value])), { json: [value], isInexact: false })
    }
    assert.deepStrictEqual(ExactJson.parse("0.10000000000000001"), { json: 0.1, isInexact: false })
    assert.isFalse(ExactJson.hasInexact([null, { a: undefined, b: 1 }]))
    assert.throws(() => ExactJson.parse("{1234567890123456"), SyntaxError)
  })
})
