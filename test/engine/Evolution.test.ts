import { assert, describe, it } from "@effect/vitest"
import * as Evolution from "../../src/engine/Evolution.ts"
import { registration } from "./Fixtures.ts"

const ref = (name: string, document = "") => ({ name, document })
const narrow = JSON.stringify({ type: "integer" })
const wide = JSON.stringify({ type: "number" })

const of = (
  stored: readonly [key: ReturnType<typeof ref>, value: ReturnType<typeof ref>],
  requested: readonly [key: ReturnType<typeof ref>, value: ReturnType<typeof ref>],
  schemaChange: Evolution.SchemaChange = "additive"
) =>
  Evolution.of({ ...registration(3, "s"), key: stored[0], value: stored[1] }, {
    key: requested[0],
    value: requested[1],
    schemaChange
  })

describe("opening a collection", () => {
  const string = ref("string")
  const json = ref("json")

  it("takes the codecs that it has, and names those that it has not, the key first", () => {
    assert.isUndefined(of([string, json], [string, json]))
    const named = { _tag: "CodecMismatch", collection: "s" } as const
    assert.deepInclude(of([string, json], [json, string]), {
      ...named,
      part: "key",
      requested: "json",
      stored: "string"
    })
    assert.deepInclude(of([string, json], [string, string]), {
      ...named,
      part: "value",
      requested: "string",
      stored: "json"
    })
  })

  it("takes a codec that was called otherwise before, in this direction alone", () => {
    assert.isUndefined(of([string, ref("schema")], [string, ref("schema/2")]))
    assert.propertyVal(of([string, ref("schema/2")], [string, ref("schema")]), "_tag", "CodecMismatch")
  })

  it("keeps a document where none is given, and takes the first one and additive ones", () => {
    const change = { _tag: "Evolve", collection: 3 }
    const stored = [ref("schema", narrow), ref("schema", narrow)] as const
    assert.isUndefined(of(stored, stored))
    assert.isUndefined(of(stored, [ref("schema"), ref("schema")]))
    assert.deepEqual(of(stored, [ref("schema"), ref("schema", wide)]), { ...change, key: narrow, value: wide } as never)
    assert.deepEqual(
      of([ref("schema"), stored[1]], [ref("schema", wide), ref("schema")]),
      { ...change, key: wide, value: narrow } as never
    )
  })

  it("refuses what is not additive, and every change of a key, unless the caller takes any", () => {
    const stored = [ref("schema", wide), ref("schema", wide)] as const
    assert.deepInclude(of(stored, [stored[0], ref("schema", narrow)]), { _tag: "SchemaMismatch", part: "value" })
    const widerKey = of([ref("schema", narrow), stored[1]], stored)
    assert.deepInclude(widerKey, { _tag: "SchemaMismatch", part: "key" })
    assert.deepInclude(of(stored, [stored[0], ref("schema", narrow)], "any"), { _tag: "Evolve", value: narrow })
  })
})
