import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Schedule, Stream } from "effect"
import * as Flow from "../../src/operators/Flow.ts"
import { persist } from "../../src/operators/Persist.ts"
import { conditionalSeal, seal } from "../../src/operators/Seal.ts"
import * as Update from "../../src/Update.ts"
import { client, contents, faulty, memory, quiet, text, until } from "../utils/Store.ts"
import { run } from "./Flows.ts"

const at = (time: number) => Update.insert(`t${time}`, "v", time)

const uppers = (...frontiers: ReadonlyArray<number>): Flow.Flow<string, string> =>
  Stream.rechunk(Stream.fromIterable(frontiers.map(Flow.progress)), 1)

const store = Effect.gen(function*() {
  const { control, storage } = yield* faulty
  const persist = yield* client(storage, { ...quiet, retry: Schedule.recurs(0) })
  const upper = (name: string) => Effect.map(persist.description(name), (description) => description.upper)
  return {
    control,
    persist,
    upper,
    a: yield* persist.createOrLoad("a", text),
    b: yield* persist.createOrLoad("b", text)
  }
})

describe("seal", () => {
  it.effect("seal: the collection is sealed before the frontier comes out", () =>
    Effect.gen(function*() {
      const { a, upper } = yield* store
      const seen: Array<readonly [frontier: number, upper: number]> = []
      yield* Stream.runForEach(seal(a.writer)(uppers(1, 5)), (event) =>
        event._tag === "Progress"
          ? Effect.map(upper("a"), (sealed) => void seen.push([event.frontier, sealed]))
          : Effect.void)
      assert.deepStrictEqual(seen, [[1, 1], [5, 5]])
    }))

  it.effect("seal: behind persist, all data of a sealed time is there", () =>
    Effect.gen(function*() {
      const { a } = yield* store
      const flow: Flow.Flow<string, string> = Stream.rechunk(
        Stream.make(Flow.updates([at(0)]), Flow.progress(1), Flow.updates([at(4)]), Flow.progress(5)),
        1
      )
      const { frontier, updates } = yield* run(flow.pipe(persist(a.writer), seal(a.writer)))
      assert.deepStrictEqual([frontier, updates.length], [5, 2])
      assert.deepStrictEqual(yield* contents(a.reader, 4), [["t0", "v", 1], ["t4", "v", 1]])
    }))

  it.effect("of frontiers that come together the last one counts, and passed ones are no failure", () =>
    Effect.gen(function*() {
      const { a, upper } = yield* store
      const flow: Flow.Flow<string, string> = Stream.make(Flow.progress(1), Flow.updates([at(3)]), Flow.progress(2))
      const events = yield* Stream.runCollect(seal(a.writer)(flow))
      assert.deepStrictEqual(events.map(({ _tag }) => _tag), ["Updates", "Progress"])
      assert.strictEqual((yield* run(seal(a.writer)(uppers(1)))).frontier, 1)
      assert.strictEqual(yield* upper("a"), 2)
    }))

  it.effect("seal_frontier_advance_only_on_success: tried again until storage is back", () =>
    Effect.gen(function*() {
      const { a, control, upper } = yield* store
      const seen: Array<number> = []
      let tries = 0
      control.before = (operation) => Effect.sync(() => void (operation === "append" ? tries++ : 0))
      control.isDown = true
      const running = yield* uppers(3).pipe(
        seal(a.writer, { retry: Schedule.recurs(10_000) }),
        Stream.runForEach((event) =>
          Effect.sync(() => void seen.push(event._tag === "Progress" ? event.frontier : -1))
        ),
        Effect.forkChild
      )
      yield* until(() => tries > 3)
      assert.deepStrictEqual(seen, [])
      control.isDown = false
      yield* Fiber.join(running)
      assert.deepStrictEqual(seen, [3])
      assert.strictEqual(yield* upper("a"), 3)
    }))

  it.effect("seal_error_stream: when trying again does not help the flow fails, and has emitted nothing", () =>
    Effect.gen(function*() {
      const { a, control, persist } = yield* store
      control.isDown = true
      const seen: Array<unknown> = []
      const flow = Stream.tap(
        seal(a.writer, { retry: Schedule.recurs(2) })(uppers(3)),
        (event) => Effect.sync(() => seen.push(event))
      )
      assert.strictEqual((yield* Effect.flip(Stream.runDrain(flow)))._tag, "Unavailable")
      assert.deepStrictEqual(seen, [])
      control.isDown = false
      yield* persist.destroy("a")
      const gone = yield* Effect.flip(Stream.runDrain(flow))
      assert.strictEqual(gone._tag, "InvalidRequest")
      assert.deepStrictEqual(seen, [])
    }))

  it.effect("regression_9419_seal_close: the end of the flow seals nothing, the empty frontier finishes", () =>
    Effect.gen(function*() {
      const { a, upper } = yield* store
      yield* run(seal(a.writer)(uppers(3)))
      assert.strictEqual(yield* upper("a"), 3)
      yield* run(seal(a.writer)(uppers(Infinity)))
      assert.strictEqual(yield* upper("a"), Infinity)
    }))

  it.effect("seal_multiple_streams: in one step, and each by itself where they do not stand together", () =>
    Effect.gen(function*() {
      const { a, b, upper } = yield* store
      yield* run(seal([a.writer, b.writer])(uppers(2)))
      assert.deepStrictEqual([yield* upper("a"), yield* upper("b")], [2, 2])
      yield* a.writer.seal(9)
      yield* run(seal([a.writer, b.writer])(uppers(5)))
      assert.deepStrictEqual([yield* upper("a"), yield* upper("b")], [9, 5])
    }))

  it.effect("seal_multiple_workers: of several flows the slowest says how far it is sealed", () =>
    Effect.gen(function*() {
      const { a, upper } = yield* store
      const workers = [[3, 7], [2, 9], [8]].map((frontiers, i) =>
        uppers(...frontiers).pipe(Stream.concat(Stream.succeed(Flow.updates([at(20 + i)]))), persist(a.writer))
      )
      const { frontier, updates } = yield* run(seal(a.writer)(Flow.merge(workers)))
      assert.deepStrictEqual([frontier, yield* upper("a"), updates.length], [7, 7, 3])
    }))
})

describe("conditionalSeal", () => {
  const sealBoth = (
    primary: Flow.Flow<string, string>,
    condition: Flow.Flow<string, string>,
    { a, b }: Effect.Success<typeof store>
  ) =>
    conditionalSeal({
      primary: { flow: primary, write: a.writer },
      condition: { flow: condition, write: b.writer },
      retry: Schedule.recurs(0)
    })

  it.effect("conditional_seal: both up to the slower of the two, whichever that is", () =>
    Effect.gen(function*() {
      const opened = yield* store
      const first = yield* run(sealBoth(uppers(9), uppers(4), opened))
      assert.deepStrictEqual([first.frontier, yield* opened.upper("a"), yield* opened.upper("b")], [4, 4, 4])
      const second = yield* run(sealBoth(uppers(6), uppers(8), opened))
      assert.deepStrictEqual([second.frontier, yield* opened.upper("a"), yield* opened.upper("b")], [6, 6, 6])
    }))

  it.effect("conditional_seal: whenever storage goes down, the primary is not ahead of the condition", () =>
    Effect.gen(function*() {
      for (let writes = 0; writes < 8; writes++) {
        const opened = yield* store
        const { control, upper } = opened
        // They do not stand together at first, so that each is sealed by itself.
        yield* opened.b.writer.seal(1)
        control.writesLeft = writes
        yield* Effect.ignore(run(sealBoth(uppers(1, 2, 3, 4), uppers(1, 2, 3, 4), opened)))
        control.isDown = false
        control.writesLeft = Infinity
        assert.isAtMost(yield* upper("a"), yield* upper("b"))
      }
    }))

  it.effect("conditional_seal_multiple_workers: conditions of several flows", () =>
    Effect.gen(function*() {
      const opened = yield* store
      const condition = Flow.merge([uppers(3, 5), uppers(4), uppers(9)])
      assert.strictEqual((yield* run(sealBoth(uppers(6), condition, opened))).frontier, 4)
    }))

  it.effect("conditional_seal_error_stream: data of the primary alone, errors of both, and failures of either", () =>
    Effect.gen(function*() {
      const opened = yield* store
      const oops = (operator: string): Flow.DataError => ({ operator, collection: "c", reason: "Late", detail: "" })
      const flow = (name: string): Flow.Flow<string, string> =>
        Stream.make<Array<Flow.Event<string, string>>>(
          Flow.updates([Update.insert(name, "v", 0)]),
          Flow.error(oops(name), 0),
          Flow.progress(1)
        )
      const { errors, updates } = yield* run(sealBoth(flow("p"), flow("c"), opened))
      assert.deepStrictEqual(updates.map(({ key }) => key), ["p"])
      assert.deepStrictEqual(errors.toSorted(), ["c c Late at 0", "p c Late at 0"])
      opened.control.isDown = true
      const failure = yield* Effect.flip(run(sealBoth(uppers(2), uppers(2), opened)))
      assert.strictEqual(failure._tag, "Unavailable")
    }))
})

it.effect("handles of two stores cannot be sealed as one", () =>
  Effect.gen(function*() {
    const { a } = yield* store
    const other = yield* Effect.flatMap(client(yield* memory), (persist) => persist.createOrLoad("a", text))
    const error = yield* Effect.flip(run(seal([a.writer, other.writer])(uppers(1))))
    assert.strictEqual(error._tag, "InvalidHandle")
  }))
