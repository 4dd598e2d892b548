import { assert, describe, it } from "@effect/vitest"
import { Effect, Result, Schema, Stream } from "effect"
import type { CollectionEvent } from "../../src/client/CollectionEvent.ts"
import * as Csv from "../../src/formats/Csv.ts"
import * as Ndjson from "../../src/formats/Ndjson.ts"
import * as Typed from "../../src/formats/Typed.ts"
import * as Frontier from "../../src/Frontier.ts"
import { InvalidInput, ValueOutOfRange } from "../../src/PersistError.ts"
import * as Update from "../../src/Update.ts"

type Event<A> = CollectionEvent<A, A>

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)

/** The bytes in chunks of so many. */
const cut = (bytes: Uint8Array, size: number): Stream.Stream<Uint8Array> =>
  Stream.fromIterable(
    Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size)),
    { chunkSize: 1 }
  )

/** What came out, with batches joined, and what it failed with. */
const outcome = <K, V, E>(flow: Stream.Stream<CollectionEvent<K, V>, E>) =>
  Effect.suspend(() => {
    const events: Array<CollectionEvent<K, V>> = []
    return Stream.runForEach(flow, (event) =>
      Effect.sync(() => {
        const last = events.at(-1)
        if (event._tag === "Updates" && last?._tag === "Updates") {
          events.splice(-1, 1, { _tag: "Updates", updates: [...last.updates, ...event.updates] })
        } else events.push(event)
      })).pipe(Effect.result, Effect.map((result) => ({ events, result })))
  })

const joined = (parts: ReadonlyArray<Uint8Array>): Uint8Array => new Uint8Array(parts.flatMap((part) => [...part]))

const text = Schema.String.check(Schema.makeFilter((text) => text.isWellFormed()))
const time = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 9 }))
const diff = Schema.Int.check(Schema.isBetween({ minimum: -3, maximum: 3 }))

/** Rows by the stretch of times that they lie in: a seal ends each. */
const stretches = <A>(value: Schema.Codec<A>) =>
  Schema.Array(Schema.Array(Schema.Struct({ key: value, value, time, diff })))

const flowOf = <A>(
  stretches: ReadonlyArray<ReadonlyArray<Update.Update<A, A>>>
): ReadonlyArray<Event<A>> =>
  stretches.flatMap((rows, i): ReadonlyArray<Event<A>> => [
    ...(rows.length === 0 ? [] : [{
      _tag: "Updates" as const,
      updates: rows.map((row) => ({ ...row, time: row.time + i * 10, diff: row.diff + 0 }))
    }]),
    { _tag: "Progress", frontier: (i + 1) * 10 }
  ])

const Json: Schema.Codec<Schema.Json> = Schema.Union([
  Schema.Null,
  text,
  Schema.Int,
  Schema.Struct({ a: text, b: Schema.Array(Schema.Boolean) })
])

describe("what is encoded decodes to the same, wherever it is cut", () => {
  const size = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 40 }))

  it.effect.prop("NDJSON", [stretches(Json), size], ([rows, size]) =>
    Effect.gen(function*() {
      const flow = flowOf(rows)
      const bytes = joined(yield* Stream.runCollect(Ndjson.encode(Stream.fromArray(flow))))
      const { events, result } = yield* outcome(Ndjson.decode(cut(bytes, size)))
      assert.isTrue(Result.isSuccess(result))
      assert.deepStrictEqual(events, flow)
    }), { arbitrary: { runs: 200, seed: 1 } })

  it.effect.prop("CSV, of texts", [stretches(text), size], ([rows, size]) =>
    Effect.gen(function*() {
      const updates = flowOf(rows).flatMap((event) => event._tag === "Updates" ? event.updates : [])
      const bytes = joined(yield* Stream.runCollect(Csv.encode(Stream.fromArray(flowOf(rows)))))
      const { events, result } = yield* outcome(Csv.decode(cut(bytes, size)))
      assert.isTrue(Result.isSuccess(result))
      assert.deepStrictEqual(events, updates.length === 0 ? [] : [{ _tag: "Updates", updates }])
    }), { arbitrary: { runs: 200, seed: 2 } })
})

const rowsOf = <K, V>(events: ReadonlyArray<CollectionEvent<K, V>>): number =>
  events.reduce((sum, event) => sum + (event._tag === "Updates" ? event.updates.length : 0), 0)

describe("what is wrong stops it with its place, after everything before it", () => {
  const good = `{"key":1,"value":1,"time":1}\n{"seal":2}\n`
  const cases: ReadonlyArray<readonly [line: string, reason: InvalidInput["reason"], detail: RegExp]> = [
    [`{"key":1,"value":1`, "Malformed", /not JSON/],
    ["[]", "Malformed", /it must be/],
    [`{"key":"secret","value":1,"time":"secret"}`, "Malformed", /"time" must be an integer/],
    [`{"key":1,"value":1,"time":2,"diff":1e300}`, "Malformed", /"diff" must be an integer/],
    [`{"key":1,"value":1,"time":2,"x":1}`, "Malformed", /unknown field "x"/],
    [`{"key":1,"value":1,"time":1}`, "BelowSeal", /time 1 lies below the seal 2/],
    [`{"seal":1}`, "BelowSeal", /the seal goes back from 2 to 1/]
  ]
  it.effect.each(cases)("NDJSON: %s", ([line, reason, detail]) =>
    Effect.gen(function*() {
      const bytes = utf8(`${good}${line}\n{"key":2,"value":2,"time":5}\n`)
      for (const size of [1, 7, bytes.length]) {
        const { events, result } = yield* outcome(Ndjson.decode(cut(bytes, size)))
        assert.deepStrictEqual(events, [
          { _tag: "Updates", updates: [Update.insert(1, 1, 1)] },
          { _tag: "Progress", frontier: 2 }
        ])
        assert.isTrue(Result.isFailure(result))
        if (!Result.isFailure(result)) continue
        assert.instanceOf(result.failure, InvalidInput)
        assert.deepInclude(result.failure, { place: "line 3", reason })
        assert.match(result.failure.detail, detail)
        assert.notInclude(result.failure.message, "secret")
      }
    }))

  it.effect("NDJSON: integers that would be rounded", () =>
    Effect.gen(function*() {
      const line = (key: string, value: string, time = "1") => `{"key":${key},"value":${value},"time":${time}}\n`
      const big = "9007199254740993"
      for (const wrong of [line(big, "1"), line("1", `{"a":[${big}]}`), line("1", "1", big), line("1", "1e400")]) {
        const error = yield* Effect.flip(Stream.runDrain(Ndjson.decode(Stream.make(utf8(line("1", "1") + wrong)))))
        assert.deepInclude(error, { place: "line 2", reason: "Malformed" })
      }
    }))

  it.effect("NDJSON: no UTF-8", () =>
    Effect.gen(function*() {
      const bytes = joined([utf8(`${good}{"key":"`), new Uint8Array([0xff]), utf8(`","value":1,"time":3}\n`)])
      const { events, result } = yield* outcome(Ndjson.decode(cut(bytes, 9)))
      assert.strictEqual(rowsOf(events), 1)
      assert.deepInclude(Result.isFailure(result) && result.failure, { place: "line 3", reason: "Malformed" })
    }))

  it.effect("NDJSON: the end of time is a seal too, and nothing comes after it", () =>
    Effect.gen(function*() {
      const { events, result } = yield* outcome(
        Ndjson.decode(Stream.make(utf8(`{"seal":"empty"}\n{"key":1,"value":1,"time":1}\n`)))
      )
      assert.deepStrictEqual(events, [{ _tag: "Progress", frontier: Frontier.empty }])
      assert.deepInclude(Result.isFailure(result) && result.failure, { reason: "BelowSeal" })
    }))

  const header = "key,value,time,diff\n"
  const csv: ReadonlyArray<readonly [string, rows: number, reason: InvalidInput["reason"], place: string]> = [
    ["key,value,diff\na,b,1\n", 0, "SchemaDrift", "record 1"],
    [`${header}a,b,1,1\na,b,1\n`, 1, "SchemaDrift", "record 3"],
    [`${header}a,b,1,1\na,b,1.5,1\n`, 1, "Malformed", "record 3"],
    [`${header}a,b,1,1\na,b,9007199254740993,1\n`, 1, "Malformed", "record 3"],
    [`${header}a,b,1,1\na,b,2,\n`, 1, "Malformed", "record 3"],
    [`${header}a,b,1,1\n\n"a,b,2,1\n`, 1, "Truncated", "line 4"],
    [`${header}a"b,c,1,1\n`, 0, "Malformed", "line 2"]
  ]
  it.effect.each(csv)("CSV: %j", ([input, rows, reason, place]) =>
    Effect.gen(function*() {
      const { events, result } = yield* outcome(Csv.decode(cut(utf8(input), 1)))
      assert.strictEqual(rowsOf(events), rows)
      assert.deepInclude(Result.isFailure(result) && result.failure, { reason, place })
    }))

  it.effect("CSV: no UTF-8", () =>
    Effect.gen(function*() {
      for (const [end, reason] of [[[0xff, 0x0a], "Malformed"], [[0xc3], "Truncated"]] as const) {
        const { result } = yield* outcome(Csv.decode(cut(joined([utf8(`${header}a,`), new Uint8Array(end)]), 3)))
        assert.deepInclude(Result.isFailure(result) && result.failure, { reason, detail: "it is not UTF-8" })
      }
    }))
})

describe("contents", () => {
  const rows = Stream.make(["a", { n: 1 }, 2] as const, [`b "c"`, null, 1] as const)
  it.effect("are written without times", () =>
    Effect.gen(function*() {
      const written = (parts: ReadonlyArray<Uint8Array>) => new TextDecoder().decode(joined(parts))
      assert.strictEqual(
        written(yield* Stream.runCollect(Ndjson.contents(rows))),
        `{"key":"a","value":{"n":1},"diff":2}\n{"key":"b \\"c\\"","value":null,"diff":1}\n`
      )
      assert.strictEqual(
        written(yield* Stream.runCollect(Csv.contents(rows))),
        `key,value,diff\na,"{""n"":1}",2\n"b ""c""",null,1\n`
      )
    }))
})

describe("typed", () => {
  const schemas = { key: Schema.String, value: Schema.Struct({ at: Schema.Date }) }

  it.effect("rows go out and come back", () =>
    Effect.gen(function*() {
      const flow: ReadonlyArray<CollectionEvent<string, { readonly at: Date }>> = [
        { _tag: "Updates", updates: [Update.insert("a", { at: new Date(5) }, 1)] },
        { _tag: "Progress", frontier: 2 }
      ]
      const { events } = yield* outcome(
        Stream.fromArray(flow).pipe(Typed.encode(schemas), Ndjson.encode, Ndjson.decode, Typed.decode(schemas))
      )
      assert.deepStrictEqual(events, flow)
    }))

  it.effect("a row of another shape is schema drift, and says which row", () =>
    Effect.gen(function*() {
      const lines = `{"key":"a","value":{"at":"2026-01-01T00:00:00.000Z"},"time":1}\n{"seal":2}\n` +
        `{"key":"secret","value":{"when":"secret"},"time":2}\n`
      const { events, result } = yield* outcome(
        Ndjson.decode(Stream.make(utf8(lines))).pipe(Typed.decode(schemas))
      )
      assert.deepStrictEqual(events.map(({ _tag }) => _tag), ["Updates", "Progress"])
      assert.deepInclude(Result.isFailure(result) && result.failure, { reason: "SchemaDrift", place: "row 2" })
      assert.notInclude(Result.isFailure(result) && String(result.failure), "secret")
    }))

  const rounding: ReadonlyArray<readonly [key: string, outcome: number | "refused"]> = [
    ["9007199254740993", "refused"],
    ["-9007199254740993", "refused"],
    [" 9007199254740993 ", "refused"],
    ["12345678901234567890", "refused"],
    ["9007199254740991", Number.MAX_SAFE_INTEGER],
    ["9007199254740992", 2 ** 53],
    ["0.12345678901234567", Number("0.12345678901234567")],
    ["1e300", 1e300]
  ]
  it.effect.each(rounding)(
    "a text %s is read as a number that is the same, or refused",
    ([key, expected]) =>
      Effect.gen(function*() {
        const csv = Csv.decode(
          Stream.make(utf8(`key,value,time,diff\n1,{},1,1\n"${key}","{""n"":${key.trim()}}",1,1\n`))
        )
        const value = Schema.fromJsonString(Schema.Struct({ n: Schema.optional(Schema.Number) }))
        const exact = { key: Schema.String, value: Schema.String }
        for (const schemas of [{ ...exact, key: Schema.NumberFromString }, { ...exact, value }]) {
          const { events, result } = yield* outcome<unknown, unknown, InvalidInput>(
            Typed.decode<unknown, unknown>(schemas)(csv)
          )
          if (expected === "refused") {
            assert.deepInclude(Result.isFailure(result) && result.failure, { reason: "SchemaDrift", place: "row 2" })
            assert.match(Result.isFailure(result) ? String(result.failure) : "", /would round/)
          } else {
            const [, row] = events[0]?._tag === "Updates" ? events[0].updates : []
            assert.include([row?.key, (row?.value as { readonly n?: number } | undefined)?.n], expected)
          }
        }
      })
  )

  it.effect("a value that its schema does not encode is refused", () =>
    Effect.gen(function*() {
      const flow: Stream.Stream<CollectionEvent<string, number>> = Stream.make({
        _tag: "Updates",
        updates: [Update.insert("a", 0.5, 1)]
      })
      const { result } = yield* outcome(Typed.encode({ key: Schema.String, value: Schema.Int })(flow))
      assert.instanceOf(Result.isFailure(result) && result.failure, ValueOutOfRange)
    }))
})
