import { assert, describe, it } from "@effect/vitest"
import { ByteWriter } from "../../src/ByteWriter.ts"
import * as StoredJson from "../../src/client/StoredJson.ts"
import { ValueOutOfRange } from "../../src/PersistError.ts"

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)

const decode = (name: string, bytes: Uint8Array): unknown =>
  StoredJson.codec({ name, document: "" }).decode(bytes, 0, bytes.length)

const encode = (name: string, value: StoredJson.Json): Uint8Array => {
  const into = new ByteWriter(16)
  StoredJson.codec({ name, document: "" }).encode(value, into)
  return into.view8().slice()
}

describe("StoredJson", () => {
  it.each([
    ["string", utf8("text"), "text"],
    ["json", utf8(`{"a":1}`), { a: 1 }],
    ["schema", utf8(`["a"]`), ["a"]],
    ["unit", utf8(""), null],
    ["bytes", Uint8Array.of(0, 255), { $bytes: "AP8=" }],
    ["of-an-application", Uint8Array.of(1), { $bytes: "AQ==" }]
  ])("codec %s: what is stored becomes JSON, and JSON what was stored", (name, stored, value) => {
    assert.deepStrictEqual(decode(name, stored), value)
    assert.deepStrictEqual(encode(name, value), stored)
  })

  it.each(["string", "json", "schema"])("codec %s: bytes that it does not decode are shown as bytes", (name) => {
    assert.deepStrictEqual(decode(name, Uint8Array.of(0xff)), { $bytes: "/w==" })
  })

  it("a codec refuses what is not its own", () => {
    assert.throws(() => encode("string", 1), ValueOutOfRange)
    assert.throws(() => encode("unit", 1), ValueOutOfRange)
    assert.throws(() => encode("bytes", "AP8="), ValueOutOfRange)
    assert.throws(() => encode("bytes", { $bytes: "A" }), ValueOutOfRange)
  })

  it("a row that is too large is refused before it is sent", () => {
    const json = { name: "json", document: "" }
    const check = StoredJson.makeCheck({ key: json, value: json })
    const update = (size: number) => ({ key: 1, value: "x".repeat(size), time: 0, diff: 1 })
    assert.isUndefined(check(update(1024 * 1024)))
    assert.match(check(update(16 * 1024 * 1024))!.message, /a row may have/)
    assert.isUndefined(check(update(1)))
  })
})
