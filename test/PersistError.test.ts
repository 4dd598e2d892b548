import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import * as PersistError from "../src/PersistError.ts"

const samples = [
  new PersistError.InvalidRequest({ seqNo: 71, collection: "orders", reason: "TimeSealed", detail: "why" }),
  new PersistError.CodecMismatch({ collection: "orders", part: "key", requested: "string", stored: "json" }),
  new PersistError.SchemaMismatch({
    collection: "orders",
    part: "value",
    stored: "71",
    requested: "72",
    changes: [".price: the field is gone"]
  }),
  new PersistError.UnknownCollection({ collection: "orders" }),
  new PersistError.CollectionDestroyed({ collection: "orders" }),
  new PersistError.AsOfBeforeSince({ collection: "orders", asOf: 71, since: 72 }),
  new PersistError.AsOfNotSealed({ collection: "orders", asOf: 73, upper: 72 }),
  new PersistError.UpperMismatch({ collection: "orders", expected: 71, actual: 72 }),
  new PersistError.RuntimeShutdown({}),
  new PersistError.Fenced({ epoch: 71, current: 72 }),
  new PersistError.Locked({ location: "data/store", pid: 71, host: "box" }),
  new PersistError.Locked({ location: "orders" }),
  new PersistError.Unavailable({ operation: "append", detail: "why" }),
  new PersistError.Indeterminate({ operation: "append", detail: "why" }),
  new PersistError.OutOfSpace({ location: "data/store", detail: "why" }),
  new PersistError.Corrupt({ location: "data/store", offset: 71, detail: "why" }),
  new PersistError.UnsupportedFormat({ location: "data/store", found: 72, supported: 71 }),
  new PersistError.UnsafeStore({ location: "data/store", detail: "why" }),
  new PersistError.NotAStore({ location: "data/store", detail: "why" }),
  new PersistError.AccessDenied({
    location: "data/store",
    operation: "opening the log",
    detail: "why",
    advice: "give this user the right to write"
  }),
  new PersistError.MissingPackage({ purpose: "a store in a bucket", packageName: "some-client", detail: "is absent" }),
  new PersistError.NotEmpty({ location: "data/store" }),
  new PersistError.InvalidHandle({ detail: "two handles of one collection" }),
  new PersistError.ReadOnly({ operation: "seal" }),
  new PersistError.HoldExpired({ collection: "orders", detail: "why" }),
  new PersistError.HoldExpired({ hold: "export", detail: "why" }),
  new PersistError.ValueOutOfRange({ what: "a time", detail: "why" }),
  new PersistError.DecodeError({ codec: "json", detail: "why" }),
  new PersistError.NotKeyed({ collection: "orders", detail: "why" }),
  new PersistError.Conflict({ table: "orders", reason: "KeyChanged" }),
  new PersistError.Conflict({ table: "orders", reason: "TooOld" }),
  new PersistError.TransactionTimeout({ detail: "why" }),
  new PersistError.TableMismatch({ table: "orders", detail: "why" }),
  new PersistError.InvalidInput({ format: "CSV", place: "line 71", reason: "Malformed", detail: "why" })
]

const AnyError = Schema.Union(Object.values(PersistError))
const json = Schema.fromJsonString(Schema.toCodecJson(AnyError))

it("every error is tested here", () => {
  assert.deepStrictEqual([...new Set(samples.map(({ _tag }) => _tag))].toSorted(), Object.keys(PersistError).toSorted())
})

describe.each(samples.map((error) => [error._tag, error] as const))("%s", (tag, error) => {
  it("has one line with all its fields", () => {
    assert.instanceOf(error, Error)
    assert.notInclude(error.message, "\n")
    assert.isAbove(error.message.length, 10)
    const { _tag, reason: _, ...delivered } = { reason: "", ...JSON.parse(Schema.encodeSync(json)(error)) }
    assert.strictEqual(_tag, tag)
    for (const part of Object.values(delivered)) assert.include(error.message, String(part))
  })

  it("survives a way through JSON", () => {
    const back = Schema.decodeSync(json)(Schema.encodeSync(json)(error))
    assert.strictEqual(back.constructor, error.constructor)
    assert.strictEqual(back.message, error.message)
  })
})

it("the empty frontier has words, and a way through JSON", () => {
  const error = new PersistError.UpperMismatch({ collection: "orders", expected: 7, actual: Infinity })
  assert.include(error.message, "upper the end of time, not 7")
  assert.deepInclude(Schema.decodeSync(json)(Schema.encodeSync(json)(error)), { actual: Infinity })
})

it.effect("an error is caught by its tag", () =>
  Effect.gen(function*() {
    const append: Effect.Effect<number, PersistError.UpperMismatch | PersistError.Fenced> = Effect.fail(
      new PersistError.UpperMismatch({ collection: "orders", expected: 1, actual: 2 })
    )
    const actual = yield* append.pipe(Effect.catchTag("UpperMismatch", (error) => Effect.succeed(error.actual)))
    assert.strictEqual(actual, 2)
  }))
