/**
 * Operators and views against the calls that they are made of: `npm run bench -- operators [snapshot|ingest|view]`.
 *
 * A snapshot that is read through operators is compared with the same snapshot read plainly, an ingest with the same
 * writes, in turns, over files. A live view is measured from the acknowledgement of a write to the event that tells its
 * effect. `TIDEMARK_BENCH_SCALE=0.1` makes everything smaller by that factor.
 */
import { Effect, Layer, Queue, Stream } from "effect"
import * as fs from "node:fs"
import { Codec, PersistClient, Update } from "../src/index.ts"
import { FileStorage } from "../src/node/index.ts"
import { awaitFrontier, Flow, persist, persistedSource, seal } from "../src/operators/index.ts"
import { changes, View } from "../src/views/index.ts"
import { batch, batchRows, keys, values } from "./Lines.ts"
import { count, median, now, scratch } from "./Measure.ts"
import { print, type Row } from "./Target.ts"

/** Runs with a store of its own. */
const withStore = <A, E>(use: Effect.Effect<A, E, PersistClient.PersistClient>): Effect.Effect<A> =>
  Effect.acquireUseRelease(
    Effect.sync(() => scratch("operators")),
    (directory) =>
      Effect.provide(use, PersistClient.layer().pipe(Layer.provide(FileStorage.layer({ directory })))).pipe(
        Effect.orDie
      ),
    (directory) => Effect.sync(() => fs.rmSync(directory, { recursive: true, force: true }))
  )

const text = { key: Codec.string, value: Codec.string }

const batches = count(1000)

/** Milliseconds of two effects, in turns, without the first rounds, in which the code is not optimised yet. */
const inTurns = Effect.fnUntraced(function*<E, R>(
  rounds: number,
  plain: Effect.Effect<void, E, R>,
  through: Effect.Effect<void, E, R>
) {
  const times: Array<readonly [plain: number, through: number]> = []
  const timed = (effect: Effect.Effect<void, E, R>) =>
    Effect.suspend(() => {
      globalThis.gc?.()
      const start = now()
      return Effect.map(effect, () => now() - start)
    })
  for (let round = -2; round < rounds; round++) {
    const both = [yield* timed(plain), yield* timed(through)] as const
    if (round >= 0) times.push(both)
  }
  return times
})

const overhead = (work: string, times: ReadonlyArray<readonly [plain: number, through: number]>): Row => {
  const ratios = times.map(([plain, through]) => through / plain - 1)
  const more = median(ratios)
  return {
    work,
    figure: `${(more * 100).toFixed(0)} % more (${
      ratios.map((ratio) => (ratio * 100).toFixed(0)).join(", ")
    }; plainly ${median(times.map(([plain]) => plain)).toFixed(0)} ms)`,
    target: "<= 20 %",
    holds: more <= 0.2
  }
}

const snapshot = withStore(Effect.gen(function*() {
  const client = yield* PersistClient.PersistClient
  const { reader, writer } = yield* client.createOrLoad("rows", text)
  for (let time = 0; time < batches; time++) yield* writer.append(batch(time))
  yield* writer.seal(batches)

  const expected = batches * batchRows
  const check = (rows: number) =>
    rows === expected ? Effect.void : Effect.die(new Error(`there are ${rows} rows instead of ${expected}`))
  const plain = Effect.scoped(Effect.gen(function*() {
    let rows = 0
    const { updates } = yield* reader.snapshot()
    yield* Stream.runForEachArray(updates, (chunk) => Effect.sync(() => void (rows += chunk.length)))
    yield* check(rows)
  }))
  const held = Effect.scoped(Effect.gen(function*() {
    const { updates } = yield* reader.snapshot()
    const rows = yield* Stream.runCollect(updates)
    yield* check(rows.length)
  }))
  const drain = <E>(flow: Flow.Flow<string, string, E>) =>
    Effect.suspend(() => {
      let rows = 0
      return flow.pipe(
        Stream.takeUntil(({ _tag }) => _tag === "Progress"),
        Stream.runForEach((event) =>
          Effect.sync(() => void (rows += event._tag === "Updates" ? event.updates.length : 0))
        ),
        Effect.andThen(Effect.suspend(() => check(rows)))
      )
    })
  return [
    overhead(
      "snapshot of 1,000,000 updates, through `persistedSource`",
      yield* inTurns(9, plain, drain(persistedSource(reader)))
    ),
    overhead(
      "the same, held by `awaitFrontier`, against rows that are held plainly",
      yield* inTurns(9, held, drain(awaitFrontier(persistedSource(reader))))
    )
  ]
}))

/** Each round into a collection of its own, in one store. */
const ingest = withStore(Effect.gen(function*() {
  const client = yield* PersistClient.PersistClient
  const times = Array.from({ length: batches }, (_, time) => time)
  let collections = 0
  const open = Effect.suspend(() => client.createOrLoad(`rows-${collections++}`, text))
  const plain = Effect.gen(function*() {
    const { writer } = yield* open
    yield* Effect.forEach(times, (time) => Effect.suspend(() => writer.append(batch(time))), {
      concurrency: 16,
      discard: true
    })
    yield* writer.seal(batches)
  })
  const through = Effect.gen(function*() {
    const { writer } = yield* open
    const flow: Flow.Flow<string, string> = Stream.fromIterable(times, { chunkSize: 1 }).pipe(
      Stream.map((time) => Flow.updates(batch(time))),
      Stream.concat(Stream.succeed(Flow.progress(batches)))
    )
    yield* flow.pipe(persist(writer), seal(writer), Stream.runDrain)
  })
  return [overhead(
    "ingest of 1,000,000 updates, through `persist` and `seal`",
    yield* inTurns(5, plain, through)
  )]
}))

/** Orders and their customers, joined. Every write changes one order; what counts is when the view says so. */
const view = withStore(
  Effect.gen(function*() {
    const client = yield* PersistClient.PersistClient
    const orders = yield* client.createOrLoad("orders", text)
    const customers = yield* client.createOrLoad("customers", text)
    const rows = count(100_000)
    const all = (value: (i: number) => string) =>
      Array.from({ length: rows }, (_, i) => Update.insert(keys[i]!, value(i), 0))
    yield* orders.writer.compareAndAppend(all(() => "placed 0"), { expected: 0, upper: 1 })
    yield* customers.writer.compareAndAppend(all((i) => values[i % values.length]!), { expected: 0, upper: 1 })

    const changed = yield* Queue.unbounded<{ readonly rows: number; readonly frontier: number; readonly at: number }>()
    let pending = 0
    yield* changes(View.join(View.from(orders.reader), View.from(customers.reader))).pipe(
      Stream.runForEach((event) => {
        if (event._tag === "Updates") return Effect.sync(() => void (pending += event.updates.length))
        const change = { rows: pending, frontier: event.frontier, at: now() }
        pending = 0
        return Queue.offer(changed, change)
      }),
      Effect.forkScoped
    )
    const start = now()
    const first = yield* Queue.take(changed)
    const built = now() - start
    if (first.rows !== rows) return yield* Effect.die(new Error(`the view begins with ${first.rows} rows`))

    const writes = count(2_000)
    const delays: Array<number> = []
    for (let time = 1; time <= writes; time++) {
      const key = keys[time * 7919 % rows]!
      const [old] = yield* orders.reader.get(key, { asOf: time - 1 })
      const frontiers = { expected: time, upper: time + 1 }
      // A seal of both in one step would spare a flush; here the last acknowledgement counts.
      yield* customers.writer.compareAndAppend([], frontiers)
      yield* orders.writer.compareAndAppend(Update.replace(key, old![0], `placed ${time}`, time), frontiers)
      const acknowledged = now()
      const change = yield* Queue.take(changed)
      if (change.frontier !== time + 1 || change.rows !== 2) {
        return yield* Effect.die(new Error(`the view tells ${change.rows} rows at ${change.frontier}`))
      }
      if (time > writes / 10) delays.push(Math.max(0, change.at - acknowledged))
    }
    const p50 = median(delays)
    const p99 = delays.toSorted((a, b) => a - b)[Math.floor(delays.length * 0.99)]!
    const found: Row = {
      work: "live view over a join of two collections of 100,000 rows, after the acknowledgement: p50",
      figure: `${p50.toFixed(2)} ms (p99 ${p99.toFixed(2)} ms; begun in ${(built / 1000).toFixed(1)} s)`,
      target: "<= 5 ms",
      holds: p50 <= 5
    }
    return [found]
  }).pipe(Effect.scoped)
)

const sections = { snapshot, ingest, view }
const [chosen] = process.argv.slice(2)
const rows: Array<Row> = []
for (const [name, section] of Object.entries(sections)) {
  if (chosen === undefined || chosen === name) rows.push(...await Effect.runPromise(section))
}
print(rows)
