import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, HashMap, Option, Schedule, Schema, Stream } from "effect"
import { maxRowBytes } from "../../src/batch/Columns.ts"
import * as Codec from "../../src/Codec.ts"
import * as Current from "../../src/operators/Current.ts"
import * as Flow from "../../src/operators/Flow.ts"
import { seal } from "../../src/operators/Seal.ts"
import * as Upsert from "../../src/operators/Upsert.ts"
import * as Update from "../../src/Update.ts"
import { client, contents, faulty, memory, text, updates } from "../utils/Store.ts"
import { run, sums } from "./Flows.ts"

type Changes = Flow.Flow<string, Upsert.Change<string>>

const opened = Effect.gen(function*() {
  const persist = yield* client(yield* memory)
  const handles = yield* persist.createOrLoad("a", text)
  return { persist, handles, ...handles }
})

const small = (max: number) => Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: max }))
/** A key, a value (0 removes it), a time, and how far the frontier moves behind it. */
const Step = Schema.Tuple([small(3), small(3), small(11), small(3)])

/** What the steps mean: the change with the greatest offset of each time counts, in the order of times. */
const model = (changes: ReadonlyArray<Update.Update<string, Upsert.Change<string>>>, asOf: number) => {
  const found = new Map<string, string>()
  for (
    const { key, value: { value } } of changes
      .filter(({ time }) => time <= asOf)
      .toSorted((a, b) => a.time - b.time || a.value.offset - b.value.offset)
  ) {
    if (Option.isSome(value)) found.set(key, value.value)
    else found.delete(key)
  }
  return [...found].map(([key, value]) => [key, value, 1] as const).toSorted(([a], [b]) => a < b ? -1 : 1)
}

describe("upsert", () => {
  it.effect.prop(
    "upsert: at every time what a map would hold, in whatever order changes come and wherever it is interrupted",
    [Schema.Array(Step), Schema.Array(small(30))],
    ([steps, stops]) =>
      Effect.gen(function*() {
        const { handles, persist, reader } = yield* opened
        const events: Array<Flow.Event<string, Upsert.Change<string>>> = []
        const changes: Array<Update.Update<string, Upsert.Change<string>>> = []
        let frontier = 0
        steps.forEach(([k, v, time, step], i) => {
          // Offsets are in no order.
          const offset = (i * 7) % 31
          const change = v === 0
            ? Upsert.remove(`k${k}`, frontier + time, offset)
            : Upsert.put(`k${k}`, `v${v}`, frontier + time, offset)
          changes.push(change)
          events.push(Flow.updates([change]))
          if (step > 0) events.push(Flow.progress(frontier += step))
        })
        events.push(Flow.progress(1000))
        // Each life sees the changes that are not sealed yet, and dies after so many events.
        for (const stop of [...stops, Infinity]) {
          const { upper } = yield* persist.description("a")
          const rest = events.flatMap((event): typeof events =>
            event._tag !== "Updates" ? [event] : event.updates[0]!.time < upper ? [] : [event]
          )
          const source: Changes = Stream.fromIterable(rest)
          const flow = source.pipe(Stream.rechunk(1), Upsert.upsert(handles), seal(handles.writer))
          yield* Stream.runDrain(Stream.take(flow, stop))
        }
        for (let time = 0; time < frontier + 12; time++) {
          const found = yield* contents(reader, time)
          assert.deepStrictEqual(found, model(changes, time), `as of ${time}`)
        }
      }),
    { arbitrary: { runs: 150, seed: 1 } }
  )

  it.effect("upsert: restores what is sealed, and undoes the rest", () =>
    Effect.gen(function*() {
      const { handles, writer } = yield* opened
      yield* writer.append([Update.insert("a", "1", 0), Update.insert("b", "1", 3)])
      yield* writer.seal(2)
      const flow: Changes = Stream.make(Flow.updates([Upsert.put("a", "2", 2, 0)]), Flow.progress(3))
      const delivered = yield* run(Upsert.upsert(handles)(flow))
      assert.deepStrictEqual(delivered.updates.map(({ diff, key, time, value }) => [key, value, time, diff]), [
        ["a", "1", 1, 1],
        ["a", "1", 2, -1],
        ["a", "2", 2, 1]
      ])
      assert.strictEqual(delivered.frontier, 3)
    }))

  it.effect("upsert: late changes, and keys that do not encode, are errors and nothing else", () =>
    Effect.gen(function*() {
      const { handles, reader, writer } = yield* opened
      yield* writer.seal(2)
      const flow: Changes = Stream.make<Array<Flow.Event<string, Upsert.Change<string>>>>(
        Flow.updates([Upsert.put("a", "1", 1, 0), Upsert.put("b", "1", 4, 0)]),
        Flow.progress(5),
        Flow.updates([Upsert.put("b", "2", 4, 1), { ...Upsert.put("c", "1", 6, 0), diff: -1 }]),
        Flow.updates([Upsert.put(7 as unknown as string, "1", 6, 0)]),
        Flow.progress(7)
      )
      const { errors, frontier } = yield* run(Upsert.upsert(handles)(flow))
      assert.deepStrictEqual(errors, [
        "upsert a Late at 2",
        "upsert a Late at 5",
        "upsert a Refused at 6",
        "upsert a Refused at 6"
      ])
      assert.strictEqual(frontier, 7)
      assert.deepStrictEqual(sums(yield* updates(reader)), { "b=1": 1 })
    }))

  it.effect("upsert: passes on the errors of its input, before the frontier that they come before", () =>
    Effect.gen(function*() {
      const { handles } = yield* opened
      const oops = Flow.error({ operator: "source", collection: "a", reason: "Refused", detail: "" }, 1)
      const flow: Changes = Stream.make<Array<Flow.Event<string, Upsert.Change<string>>>>(
        Flow.updates([Upsert.put("a", "1", 1, 0)]),
        oops,
        Flow.progress(2)
      )
      for (const chunk of [1, 100]) {
        const { errors, frontier } = yield* run(flow.pipe(Stream.rechunk(chunk), Upsert.upsert(handles)))
        assert.deepStrictEqual(errors, ["source a Refused at 1"])
        assert.strictEqual(frontier, 2)
      }
    }))

  it.effect("upsert: a change that cannot be written is an error, and what was written before stays the old value", () =>
    Effect.gen(function*() {
      const flow: Changes = Stream.make<Array<Flow.Event<string, Upsert.Change<string>>>>(
        Flow.updates([Upsert.put("a", "1", 0, 0), Upsert.put("b", "1", 0, 0)]),
        Flow.progress(1),
        Flow.updates([Upsert.put("a", "\ud800", 1, 1), Upsert.put("b", "2", 1, 1), Upsert.put("\udc00", "1", 1, 1)]),
        Flow.progress(2),
        Flow.updates([Upsert.put("a", "3", 2, 2), Upsert.put("c", "x".repeat(maxRowBytes + 1), 2, 2)]),
        Flow.progress(3),
        Flow.updates([Upsert.remove("c", 3, 3), Upsert.remove("b", 3, 3)]),
        Flow.progress(4)
      )
      for (const chunk of [1, 100]) {
        const { handles, reader } = yield* opened
        const delivered = yield* run(flow.pipe(Stream.rechunk(chunk), Upsert.upsert(handles), seal(handles.writer)))
        assert.deepStrictEqual(delivered.errors, [
          "upsert a Refused at 1",
          "upsert a Refused at 1",
          "upsert a Refused at 2"
        ])
        assert.deepStrictEqual(yield* contents(reader, 1), [["a", "1", 1], ["b", "2", 1]])
        assert.deepStrictEqual(yield* contents(reader, 2), [["a", "3", 1], ["b", "2", 1]])
        assert.deepStrictEqual(yield* contents(reader, 3), [["a", "3", 1]])
        assert.deepStrictEqual(sums(yield* updates(reader)), { "a=3": 1 })
      }
    }))

  it.effect("upsert: a key that does not encode is one error for each time at which it would get a value", () =>
    Effect.gen(function*() {
      const broken = "\ud800"
      const flow: Changes = Stream.make<Array<Flow.Event<string, Upsert.Change<string>>>>(
        // Of several changes at a time the last one counts.
        Flow.updates([Upsert.put(broken, "1", 0, 0), Upsert.put(broken, "2", 0, 1)]),
        // It has no value that a removal could take away: nothing is to be written, and nothing is lost.
        Flow.updates([Upsert.put(broken, "1", 1, 2), Upsert.remove(broken, 1, 3)]),
        Flow.updates([Upsert.remove(broken, 2, 4)]),
        Flow.updates([Upsert.put(broken, "1", 3, 5), Upsert.put("a", "1", 3, 6)]),
        Flow.progress(4)
      )
      for (const chunk of [1, 100]) {
        const { handles, reader } = yield* opened
        const { errors } = yield* run(flow.pipe(Stream.rechunk(chunk), Upsert.upsert(handles)))
        assert.deepStrictEqual(errors, ["upsert a Refused at 0", "upsert a Refused at 3"])
        assert.deepStrictEqual(sums(yield* updates(reader)), { "a=1": 1 })
      }
    }))

  it.effect("upsert: changes at times that others have sealed are errors, and later ones follow what is there", () =>
    Effect.gen(function*() {
      const { handles, reader, writer } = yield* opened
      const sealed = yield* Deferred.make<void>()
      const before: Changes = Stream.make(Flow.updates([Upsert.put("a", "1", 0, 0)]), Flow.progress(1))
      const after: Changes = Stream.make<Array<Flow.Event<string, Upsert.Change<string>>>>(
        Flow.updates([Upsert.put("a", "2", 3, 1), Upsert.put("a", "3", 6, 2)]),
        Flow.progress(4),
        Flow.progress(7)
      )
      const delivered = yield* before.pipe(
        Stream.concat(Stream.fromEffectDrain(Deferred.await(sealed))),
        Stream.concat(after),
        Stream.rechunk(1),
        Upsert.upsert(handles),
        // Somebody else seals once the first time is there.
        Stream.tap((event) =>
          event._tag === "Progress" && event.frontier === 1
            ? Effect.andThen(writer.seal(5), Deferred.succeed(sealed, undefined))
            : Effect.void
        ),
        run
      )
      assert.deepStrictEqual(delivered.errors, ["upsert a Refused at 3"])
      assert.deepStrictEqual(sums(yield* updates(reader)), { "a=3": 1 })
    }))

  it.effect("upsert: a collection that is not keyed is refused, and left as it is", () =>
    Effect.gen(function*() {
      const twice = [Update.insert("a", "1", 0), Update.insert("a", "2", 0)]
      for (const rows of [twice, [Update.make("a", "1", 0, 2)], [Update.retract("a", "1", 0)]]) {
        const { handles, reader, writer } = yield* opened
        yield* writer.append(rows)
        yield* writer.seal(1)
        const flow: Changes = Stream.make(Flow.updates([Upsert.put("a", "3", 1, 0)]), Flow.progress(2))
        const error = yield* Effect.flip(run(Upsert.upsert(handles)(flow)))
        assert.strictEqual(error._tag, "NotKeyed")
        assert.strictEqual((yield* updates(reader)).length, rows.length)
      }
    }))

  it.effect("upsert: keys are the same if their bytes are", () =>
    Effect.gen(function*() {
      const { persist } = yield* opened
      const handles = yield* persist.createOrLoad("bytes", { key: Codec.bytes, value: Codec.string })
      const put = (value: string, time: number) => Upsert.put(Uint8Array.of(0, 255), value, time, time)
      const flow: Flow.Flow<Uint8Array, Upsert.Change<string>> = Stream.make(
        Flow.updates([put("1", 0), put("2", 1)]),
        Flow.progress(2)
      )
      yield* run(Upsert.upsert(handles)(flow))
      assert.deepStrictEqual(yield* contents(handles.reader), [[Uint8Array.of(0, 255), "2", 1]])
    }))

  it.effect("upsert: when storage fails it fails, and can be run again", () =>
    Effect.gen(function*() {
      for (let writes = 0; writes < 6; writes++) {
        const { control, storage } = yield* faulty
        const persist = yield* client(storage)
        const handles = yield* persist.createOrLoad("a", text)
        const flow = Effect.map(persist.description("a"), ({ upper }): Changes =>
          Stream.rechunk(
            Stream.fromIterable([0, 1, 2].filter((time) => time >= upper)),
            1
          ).pipe(
            Stream.flatMap((time) =>
              Stream.make(Flow.updates([Upsert.put("a", `${time}`, time, time)]), Flow.progress(time + 1))
            )
          ))
        const running = Effect.flatMap(flow, (changes) =>
          Stream.runDrain(changes.pipe(Upsert.upsert(handles), seal(handles.writer, { retry: Schedule.recurs(0) }))))
        control.writesLeft = writes
        yield* Effect.ignore(running)
        control.writesLeft = Infinity
        control.isDown = false
        yield* running
        for (const time of [0, 1, 2]) {
          assert.deepStrictEqual(yield* contents(handles.reader, time), [["a", `${time}`, 1]])
        }
      }
    }))
})

describe("Current", () => {
  it.effect("is what the collection is, at every progress", () =>
    Effect.gen(function*() {
      const { reader, writer } = yield* opened
      const current = yield* Current.make(reader.subscribe())
      for (let time = 0; time < 6; time++) {
        const rows = [Update.insert("a", `v${time}`, time), Update.insert("b", "same", time)]
        const gone = time < 2 ? [] : [Update.retract("a", `v${time - 2}`, time)]
        yield* writer.compareAndAppend([...rows, ...gone], { expected: time, upper: time + 1 })
        const { frontier, rows: found } = yield* current.through(time)
        assert.strictEqual(frontier, time + 1)
        const flat = [...HashMap.entries(found)].flatMap(([key, values]) =>
          values.map(([v, n]) => [key, v, n] as const)
        )
        assert.deepStrictEqual(
          flat.toSorted((a, b) => `${a}` < `${b}` ? -1 : 1),
          (yield* contents(reader, time)).toSorted((a, b) => `${a}` < `${b}` ? -1 : 1)
        )
      }
    }))

  it.effect("says when it cannot follow any more", () =>
    Effect.gen(function*() {
      const { persist, reader, writer } = yield* opened
      yield* writer.seal(3)
      yield* writer.allowCompaction(2)
      const behind = yield* Current.make(reader.subscribe({ asOf: 1 }))
      assert.strictEqual((yield* Effect.flip(behind.through(2)))._tag, "AsOfBeforeSince")
      const current = yield* Current.make(reader.subscribe())
      yield* current.through(2)
      yield* persist.stop
      assert.strictEqual((yield* Effect.flip(current.through(3)))._tag, "NoSuchElementError")
      assert.strictEqual((yield* current.through(2)).frontier, 3)
    }))
})
