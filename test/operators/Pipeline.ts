/**
 * The reference composition as a program to be simulated: a source with partitions, whose positions are bound to times in
 * one collection and whose records are upserted into another, both sealed together.
 */
import { assert } from "@effect/vitest"
import { Clock, Effect, Option, Random, Schema, Stream } from "effect"
import * as PersistClient from "../../src/client/PersistClient.ts"
import * as Codec from "../../src/Codec.ts"
import { awaitFrontier } from "../../src/operators/AwaitFrontier.ts"
import * as Flow from "../../src/operators/Flow.ts"
import { persist } from "../../src/operators/Persist.ts"
import { conditionalSeal } from "../../src/operators/Seal.ts"
import { retractUnsealed } from "../../src/operators/Unsealed.ts"
import * as Upsert from "../../src/operators/Upsert.ts"
import * as Simulation from "../../src/testing/simulation/Simulation.ts"
import * as Faults from "../../src/testing/storage/Faults.ts"
import * as Update from "../../src/Update.ts"
import { contents, untilItWorks } from "../utils/Lives.ts"

interface Record {
  readonly key: string
  readonly value: Option.Option<string>
}

/** Partitions that are never changed but at their ends, as a topic is. */
type Source = ReadonlyArray<Array<Record>>

/** What is outside of the process. */
interface World {
  readonly source: Source
  /** The greatest frontier that anybody has seen. */
  visible: number
  /** How often positions have been bound, or were about to be. */
  bound: number
}

const bindingsOf = { key: Codec.schema(Schema.Number), value: Codec.schema(Schema.Number) }
const outputOf = { key: Codec.string, value: Codec.string }
const bucketMillis = 5000

const opened = Effect.gen(function*() {
  const store = yield* PersistClient.PersistClient
  return {
    bindings: yield* store.createOrLoad("bindings", bindingsOf),
    output: yield* store.createOrLoad("output", outputOf)
  }
})

interface Step {
  readonly records: ReadonlyArray<Update.Update<string, Upsert.Change<string>>>
  readonly bindings: ReadonlyArray<Update.Update<number, number>>
  readonly frontier: number
}

/** Polls every second; when the time bucket changes, binds the positions to the bucket that is over. */
const poll = (world: World, start: number, bound: ReadonlyArray<number>) => {
  const positions = [...bound]
  const written = [...bound]
  let time = start
  return Effect.gen(function*() {
    yield* Effect.sleep("1 second")
    const now = Math.max(time, Math.floor((yield* Clock.currentTimeMillis) / bucketMillis))
    const bindings: Array<Update.Update<number, number>> = []
    if (now > time) {
      for (const [partition, position] of positions.entries()) {
        if (position === written[partition]) continue
        if (written[partition] !== 0) bindings.push(Update.retract(partition, written[partition]!, time))
        bindings.push(Update.insert(partition, position, time))
        written[partition] = position
      }
      time = now
      world.bound++
    }
    const records = world.source.flatMap((partition, i) =>
      partition.slice(positions[i], positions[i]! + 3).map(({ key, value }) =>
        Update.insert(key, { value, offset: positions[i]!++ }, time)
      )
    )
    return { records, bindings, frontier: time } satisfies Step
  })
}

/** One life: goes on where the sealed bindings say, and never ends. */
const pipeline = Effect.fnUntraced(function*(world: World) {
  const { bindings, output } = yield* opened
  const store = yield* PersistClient.PersistClient
  const uppers = yield* Effect.forEach(["bindings", "output"], (name) => store.description(name))
  const start = Math.min(...uppers.map(({ upper }) => upper))
  yield* retractUnsealed(bindings.writer, { upper: start })
  const positions = world.source.map(() => 0)
  for (const [partition, position] of yield* contents(bindings.reader, start - 1)) positions[partition] = position

  const steps = Stream.fromEffectRepeat(poll(world, start, positions))
  const [left, right] = yield* Stream.broadcastN(steps, { n: 2, capacity: 4 })
  const records: Flow.Flow<string, Upsert.Change<string>> = Stream.flatMap(
    left,
    ({ frontier, records }) => Stream.make(Flow.progress(frontier), Flow.updates(records))
  )
  const bound: Flow.Flow<number, number> = Stream.flatMap(
    right,
    ({ bindings, frontier }) => Stream.make(Flow.updates(bindings), Flow.progress(frontier))
  )
  const flow = conditionalSeal({
    primary: { flow: Upsert.upsert(output, { upper: start })(records), write: output.writer },
    condition: { flow: persist(bindings.writer)(bound), write: bindings.writer }
  })
  yield* Stream.runForEach(awaitFrontier(flow), (event) => {
    if (event._tag === "Errors") return Effect.die(new Error(event.errors[0]!.key.detail))
    return Effect.sync(() => {
      if (event._tag === "Progress") world.visible = Math.max(world.visible, event.frontier)
    })
  })
})

/** What the output is once the records before the positions have been read. */
const expected = (source: Source, positions: ReadonlyArray<number>) => {
  const found = new Map<string, string>()
  for (const [i, partition] of source.entries()) {
    for (const { key, value } of partition.slice(0, positions[i])) {
      if (Option.isSome(value)) found.set(key, value.value)
      else found.delete(key)
    }
  }
  return [...found].map(([key, value]) => [key, value, 1] as const).toSorted(([a], [b]) => a < b ? -1 : 1)
}

/** Every sealed time of the output is what the bindings of that time say. Returns it all, by time. */
const checked = Effect.fnUntraced(function*(source: Source) {
  const { bindings, output } = yield* opened
  const { upper } = yield* PersistClient.PersistClient.use((store) => store.description("output"))
  const history: Array<ReadonlyArray<readonly [string, string, number]>> = []
  let last = source.map(() => 0)
  for (let time = 0; time < upper; time++) {
    const positions = source.map(() => 0)
    for (const [partition, position, n] of yield* contents(bindings.reader, time)) {
      assert.strictEqual(n, 1)
      assert.strictEqual(positions[partition], 0, "a partition is bound once")
      positions[partition] = position
    }
    positions.forEach((position, i) => assert.isAtLeast(position, last[i]!))
    last = positions
    const found = yield* contents(output.reader, time)
    assert.deepStrictEqual(found, expected(source, positions), `as of ${time}`)
    history.push(found)
  }
  return { history, positions: last }
})

/** Is killed at any moment, several times, and loses, doubles and changes nothing. */
export const killed = Effect.gen(function*() {
  const source: Source = [[], []]
  const world: World = { source, visible: 0, bound: 0 }
  const feed = Effect.gen(function*() {
    const partition = yield* Random.nextIntBetween(0, 2)
    const key = `p${partition}-k${yield* Random.nextIntBetween(0, 4)}`
    const value = yield* Random.nextIntBetween(0, 5)
    source[partition]!.push({ key, value: value === 0 ? Option.none() : Option.some(`v${value}`) })
    yield* Effect.sleep(yield* Random.nextIntBetween(1, 1500))
  })
  let history: ReadonlyArray<unknown> = []
  for (let life = 0; life < 4; life++) {
    const process = yield* Simulation.spawn(untilItWorks(pipeline(world)))
    const feeding = yield* Effect.forkChild(Effect.forever(feed))
    // Most of the time nothing is half done, so it dies soon after a bucket has changed.
    const { bound } = world
    yield* Effect.repeat(Effect.sleep("1 millis"), { until: () => world.bound > bound + life, times: 40_000 })
    yield* Effect.sleep(yield* Random.nextIntBetween(0, 400))
    yield* (yield* Random.nextBoolean) ? process.kill : Simulation.crash
    feeding.interruptUnsafe()
    const now = yield* untilItWorks(checked(source))
    assert.isAtLeast(now.history.length, world.visible)
    assert.deepStrictEqual(now.history.slice(0, history.length), history)
    history = now.history
  }
  const injector = yield* Faults.Injector
  injector.pause(true)
  const last = yield* Simulation.spawn(untilItWorks(pipeline(world)))
  yield* Effect.sleep("2 minutes")
  yield* last.kill
  const end = yield* untilItWorks(checked(source))
  assert.deepStrictEqual(end.history.slice(0, history.length), history)
  assert.deepStrictEqual(end.positions, source.map(({ length }) => length))
  yield* Simulation.note(JSON.stringify(end.history.at(-1)))
})
