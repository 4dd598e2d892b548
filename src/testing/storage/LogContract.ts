/**
 * The contract of `Log`, as tests that every implementation must pass.
 *
 * ```ts
 * for (const { name, run } of LogContract.tests(makeStore)) it.effect(name, () => run)
 * ```
 *
 * @since 0.1.0
 */
import { Context, Effect, Exit, Fiber, Layer, Random, Scope, Stream } from "effect"
import { Log, type Writer } from "../../storage/Log.ts"
import { dies, failsWith, same, type Test } from "./Contract.ts"

/**
 * Makes a new, empty log. Each build of the layer opens the same log anew, as a restarted process would.
 *
 * @category models
 * @since 0.1.0
 */
export type MakeStore = Effect.Effect<Layer.Layer<Log>, unknown, Scope.Scope>

/**
 * The tests.
 *
 * @category constructors
 * @since 0.1.0
 */
export const tests = (makeStore: MakeStore): ReadonlyArray<Test> => {
  const withStore: Suite["withStore"] = (name, run) => ({
    name,
    run: Effect.flatMap(makeStore, (layer) => run(opening(layer)))
  })
  const suite: Suite = {
    makeStore,
    withStore,
    withLog: (name, run) => withStore(name, (open) => Effect.flatMap(open, run))
  }
  return [entries, authority, truncation, following].flatMap((part) => part(suite))
}

/** How the tests open logs. */
interface Suite {
  readonly makeStore: MakeStore
  /** A test with a function that opens the same new log. */
  readonly withStore: (
    name: string,
    run: (open: Effect.Effect<Log["Service"], unknown, Scope.Scope>) => Effect.Effect<void, unknown, Scope.Scope>
  ) => Test
  /** A test with one opened new log. */
  readonly withLog: (
    name: string,
    run: (log: Log["Service"]) => Effect.Effect<void, unknown, Scope.Scope>
  ) => Test
}

/** Entries are read as they were appended. */
const entries = ({ makeStore, withLog, withStore }: Suite): ReadonlyArray<Test> => [
  withLog(
    "positions count up from 0, whatever the size of the entries",
    Effect.fnUntraced(function*(log) {
      const writer = yield* log.acquire
      yield* same(writer.bounds, { lower: 0, upper: 0 }, "bounds of a new log")
      yield* same(yield* writer.append(0, [bytes("a")]), 1, "upper after one entry")
      yield* same(yield* writer.append(1, [bytes("b"), new Uint8Array(0), bytes("c")]), 4, "upper after four")
      yield* same(yield* writer.append(4, [new Uint8Array(300_000).fill(7)]), 5, "upper after a large one")
      yield* same(yield* log.bounds, { lower: 0, upper: 5 }, "bounds")
      const entries = yield* Stream.runCollect(log.read(0))
      yield* same(entries.map(({ position }) => position), [0, 1, 2, 3, 4], "positions")
      yield* same(entries.map(({ bytes }) => bytes.length), [1, 1, 0, 1, 300_000], "lengths")
      yield* same(entries.every(({ epoch }) => epoch === writer.epoch), true, "epochs")
    })
  ),
  withLog(
    "the bytes given and the bytes read are independent of the log",
    Effect.fnUntraced(function*(log) {
      const writer = yield* log.acquire
      const given = bytes("abc")
      yield* writer.append(0, [given])
      given.fill(0)
      const first = yield* contents(log, 0)
      yield* writer.append(1, [bytes("def")])
      yield* same(first, [bytes("abc")], "what was read before the second append")
      yield* same(yield* contents(log, 0), [bytes("abc"), bytes("def")], "what is read after it")
    })
  ),
  withLog(
    "reads begin anywhere, and end at the upper",
    Effect.fnUntraced(function*(log) {
      const writer = yield* log.acquire
      yield* fill(writer, 10)
      for (let from = 0; from <= 10; from++) {
        const entries = yield* Stream.runCollect(log.read(from))
        yield* same(entries.map(({ position }) => position), range(from, 10), `positions from ${from}`)
      }
    })
  ),
  withLog(
    "an append of nothing changes nothing, and one at another position is a bug",
    Effect.fnUntraced(function*(log) {
      const writer = yield* log.acquire
      yield* same(yield* writer.append(0, []), 0, "upper after nothing")
      yield* dies(writer.append(1, [bytes("a")]), "an append beyond the upper")
      yield* fill(writer, 2)
      yield* dies(writer.append(0, [bytes("a")]), "an append below the upper")
      yield* same(yield* log.bounds, { lower: 0, upper: 2 }, "bounds")
    })
  ),
  withStore(
    "two logs are independent",
    Effect.fnUntraced(function*(open) {
      const other = yield* Effect.flatMap(makeStore, opening)
      const log = yield* open
      yield* fill(yield* log.acquire, 3)
      yield* fill(yield* other.acquire, 1)
      yield* same(
        [yield* log.bounds, yield* other.bounds],
        [{ lower: 0, upper: 3 }, { lower: 0, upper: 1 }],
        "bounds"
      )
    })
  )
]

/** Which opener may append, over restarts and takeovers. */
const authority = ({ withLog, withStore }: Suite): ReadonlyArray<Test> => [
  withStore(
    "reopening goes on with the numbering and the entries",
    Effect.fnUntraced(function*(open) {
      for (let round = 0; round < 5; round++) {
        yield* inScope(Effect.gen(function*() {
          const log = yield* open
          const writer = yield* log.acquire
          yield* same(writer.bounds, { lower: 0, upper: round * 2 }, `bounds in round ${round}`)
          yield* writer.append(round * 2, [bytes(`${round}.0`)])
          yield* writer.append(round * 2 + 1, [bytes(`${round}.1`)])
        }))
      }
      const expected = range(0, 5).flatMap((round) => [bytes(`${round}.0`), bytes(`${round}.1`)])
      yield* same(yield* contents(yield* open, 0), expected, "entries of all rounds")
    })
  ),
  withStore(
    "every acquisition raises the epoch",
    Effect.fnUntraced(function*(open) {
      let last = 0
      for (let round = 0; round < 4; round++) {
        const { epoch } = yield* inScope(Effect.flatMap(open, (log) => log.acquire))
        yield* same(epoch > last, true, `epoch ${epoch} after ${last}`)
        last = epoch
      }
    })
  ),
  withLog(
    "acquiring again fences the writer before",
    Effect.fnUntraced(function*(log) {
      const before = yield* log.acquire
      yield* before.append(0, [bytes("a")])
      const after = yield* log.acquire
      yield* same(after.bounds, { lower: 0, upper: 1 }, "bounds of the new writer")
      yield* failsWith(before.append(1, [bytes("late")]), "Fenced", "an append of the old writer")
      yield* after.append(1, [bytes("b")])
      yield* failsWith(before.append(1, [bytes("later")]), "Fenced", "another one")
      yield* same(yield* contents(log, 0), [bytes("a"), bytes("b")], "entries")
    })
  ),
  withLog(
    "acquiring again after its own epoch keeps the log until another process acquires it",
    Effect.fnUntraced(function*(log) {
      const first = yield* log.acquire
      yield* first.append(0, [bytes("a")])
      const second = yield* log.acquireAfter(first.epoch)
      yield* same(second.epoch > first.epoch, true, `epoch ${second.epoch} after ${first.epoch}`)
      yield* same(second.bounds, { lower: 0, upper: 1 }, "bounds of the second writer")
      yield* failsWith(first.append(1, [bytes("late")]), "Fenced", "an append of the first writer")
      yield* failsWith(log.acquireAfter(first.epoch), "Fenced", "an acquisition after the epoch of the first")
      yield* second.append(1, [bytes("b")])
      const third = yield* log.acquire
      yield* failsWith(log.acquireAfter(second.epoch), "Fenced", "an acquisition after the epoch of the second")
      yield* third.append(2, [bytes("c")])
      yield* same(yield* contents(log, 0), [bytes("a"), bytes("b"), bytes("c")], "entries")
    })
  ),
  withLog(
    "a closed writer is unusable, and reading is not",
    Effect.fnUntraced(function*(log) {
      const writer = yield* inScope(Effect.tap(log.acquire, (writer) => fill(writer, 3)))
      yield* failsWith(writer.append(3, [bytes("a")]), "Unavailable", "an append after the close")
      yield* same((yield* contents(log, 0)).length, 3, "entries")
    })
  )
]

/** What truncation removes, and what it must keep. */
const truncation = ({ withLog, withStore }: Suite): ReadonlyArray<Test> => [
  withLog(
    "truncation forgets nothing at or behind its position",
    Effect.fnUntraced(function*(log) {
      const writer = yield* log.acquire
      yield* fill(writer, 20)
      for (const before of [0, 0, ...range(1, 12), 12, 12, ...range(13, 20), 20, 20]) {
        yield* writer.truncate(before)
        yield* writer.truncate(Math.floor(before / 2))
        const { lower, upper } = yield* log.bounds
        yield* same(lower <= before, true, `lower ${lower} is not above ${before}`)
        yield* same(upper, 20, "upper")
        const entries = yield* Stream.runCollect(log.read(lower))
        yield* same(entries.map(({ position }) => position), range(lower, 20), "retained positions")
        if (lower > 0) yield* failsWith(Stream.runDrain(log.read(lower - 1)), "Unavailable", "a read below the lower")
      }
      yield* same(yield* writer.append(20, [bytes("a")]), 21, "positions go on")
    })
  ),
  withStore(
    "truncation to where the log was rotated is exact, and survives a restart",
    Effect.fnUntraced(function*(open) {
      const isExact = (writer: Writer, log: Log["Service"], upper: number) =>
        Effect.gen(function*() {
          yield* writer.rotate
          yield* writer.append(upper, [bytes("a")])
          yield* writer.truncate(upper)
          yield* same(yield* log.bounds, { lower: upper, upper: upper + 1 }, "bounds")
        })
      yield* inScope(Effect.gen(function*() {
        const log = yield* open
        const writer = yield* log.acquire
        yield* isExact(writer, log, 0)
        yield* writer.append(1, [bytes("b"), bytes("c")])
        yield* isExact(writer, log, 3)
        yield* writer.rotate
        yield* isExact(writer, log, 4)
      }))
      const log = yield* open
      const writer = yield* log.acquire
      yield* same(writer.bounds, { lower: 4, upper: 5 }, "bounds after a restart")
      yield* isExact(writer, log, 5)
      yield* same(yield* contents(log, 5), [bytes("a")], "the entries that are left")
    })
  ),
  withStore(
    "truncation survives a restart",
    Effect.fnUntraced(function*(open) {
      const lower = yield* inScope(Effect.gen(function*() {
        const log = yield* open
        const writer = yield* log.acquire
        yield* fill(writer, 20)
        yield* writer.truncate(15)
        return (yield* log.bounds).lower
      }))
      const log = yield* open
      const writer = yield* log.acquire
      yield* same(writer.bounds, { lower, upper: 20 }, "bounds")
      yield* same((yield* contents(log, 15)).length, 5, "entries from 15 on")
      yield* same(yield* writer.append(20, [bytes("a")]), 21, "positions go on")
    })
  )
]

/** What other openers read, and what `verify` reports. */
const following = ({ withLog, withStore }: Suite): ReadonlyArray<Test> => [
  withStore(
    "another opener reads what a writer has acknowledged, and notices that there is more",
    Effect.fnUntraced(function*(open) {
      const writing = yield* open
      const writer = yield* writing.acquire
      const follower = yield* open
      for (let upper = 0; upper < 20; upper++) {
        const tick = yield* Effect.forkScoped(Stream.runHead(follower.changes), { startImmediately: true })
        yield* Effect.yieldNow
        yield* writer.append(upper, [bytes(`${upper}`)])
        yield* same(yield* contents(follower, upper), [bytes(`${upper}`)], "the new entry")
        yield* same(yield* follower.bounds, { lower: 0, upper: upper + 1 }, "bounds")
        yield* Fiber.join(tick)
      }
    })
  ),
  withStore(
    "reads agree with a model over random appends, truncations and restarts",
    (open) =>
      Effect.gen(function*() {
        const model: Array<Uint8Array> = []
        for (let round = 0; round < 6; round++) {
          yield* inScope(Effect.gen(function*() {
            const log = yield* open
            const writer = yield* log.acquire
            yield* same(writer.bounds.upper, model.length, "upper after a restart")
            for (let step = 0; step < 15; step++) yield* randomStep(log, writer, model)
          }))
        }
      }).pipe(Random.withSeed("log contract"))
  ),
  withLog(
    "a sound log has no problems to report",
    Effect.fnUntraced(function*(log) {
      yield* inScope(Effect.gen(function*() {
        const writer = yield* log.acquire
        yield* fill(writer, 10)
        yield* same(yield* Stream.runCollect(log.verify), [], "problems while it is open")
      }))
      yield* same(yield* Stream.runCollect(log.verify), [], "problems when it is closed")
    })
  )
]

const opening = (layer: Layer.Layer<Log>): Effect.Effect<Log["Service"], unknown, Scope.Scope> =>
  Effect.map(Layer.build(Layer.fresh(layer)), (context) => Context.get(context, Log))

/** Runs in its own scope, so that everything opened is closed at its end. */
const inScope = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>): Effect.Effect<A, E> =>
  Effect.acquireUseRelease(
    Scope.make(),
    (scope) => Scope.provide(effect, scope),
    (scope) => Scope.close(scope, Exit.void)
  )

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

const range = (from: number, to: number): ReadonlyArray<number> =>
  Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i)

const contents = (log: Log["Service"], from: number) =>
  Effect.map(Stream.runCollect(log.read(from)), (entries) => entries.map((entry) => entry.bytes))

const fill = (writer: Writer, count: number) =>
  Effect.forEach(range(0, count), (position) => writer.append(position, [bytes(`entry ${position}`)]), {
    discard: true
  })

const randomStep = Effect.fnUntraced(function*(log: Log["Service"], writer: Writer, model: Array<Uint8Array>) {
  const choice = yield* Random.next
  if (choice < 0.7) {
    const entries: Array<Uint8Array> = []
    const count = yield* Random.nextIntBetween(1, 5)
    for (let i = 0; i < count; i++) {
      const length = yield* Random.nextIntBetween(0, choice < 0.05 ? 20_000 : 200)
      entries.push(new Uint8Array(length).fill(model.length + i))
    }
    yield* writer.append(model.length, entries)
    model.push(...entries)
  } else if (choice < 0.8) {
    yield* writer.truncate(yield* Random.nextIntBetween(0, model.length))
  }
  const { lower, upper } = yield* log.bounds
  yield* same(upper, model.length, "upper")
  const from = yield* Random.nextIntBetween(lower, upper)
  yield* same(yield* contents(log, from), model.slice(from), `entries from ${from}`)
})
