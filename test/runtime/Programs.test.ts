import { assert, describe, it } from "@effect/vitest"
import { Cause, Deferred, Effect, Exit, Fiber, Result, Scope, Stream } from "effect"
import type { CollectionEvent } from "../../src/client/CollectionEvent.ts"
import type { Ack } from "../../src/client/CollectionWriter.ts"
import type * as PersistClient from "../../src/client/PersistClient.ts"
import * as MemoryStorage from "../../src/storage/MemoryStorage.ts"
import * as Prng from "../../src/testing/Prng.ts"
import * as Update from "../../src/Update.ts"
import * as Model from "../utils/Model.ts"
import * as Store from "../utils/Store.ts"

// Random programs on a store with tiny limits, and a naive model as their judge. More seeds with TIDEMARK_SEEDS=200.

const seeds = Number(process.env["TIDEMARK_SEEDS"] ?? 12)
const firstSeed = Number(process.env["TIDEMARK_SEED"] ?? 1)
const steps = 90

const names = ["a", "b", "c"] as const
type Name = typeof names[number]

interface Listener {
  readonly name: Name
  readonly scope: Scope.Closeable
  /** The model's updates from here on must be delivered. */
  readonly start: number
  readonly startUpper: number
  readonly events: Array<CollectionEvent<string, string>>
}

interface World {
  readonly random: Prng.Prng
  readonly store: MemoryStorage.Store
  readonly models: Map<Name, Model.Model>
  client: PersistClient.PersistClient["Service"]
  scope: Scope.Closeable
  listeners: Array<Listener>
}

const keys = Array.from({ length: 9 }, (_, i) => `k${i}`)
const key = (random: Prng.Prng): string => random.pick(keys)

const randomUpdates = (random: Prng.Prng, from: number, to: number): Array<Model.Row> =>
  Array.from({ length: random.int(12) }, () => {
    const value = `v${random.int(3)}${random.chance(0.1) ? "x".repeat(random.int(400)) : ""}`
    return Update.make(key(random), value, from + random.int(to - from), random.int(5) - 2)
  })

const open = Effect.fnUntraced(function*(store: MemoryStorage.Store, random: Prng.Prng) {
  const scope = yield* Scope.make()
  const options: PersistClient.Options = {
    ...Store.tiny,
    memoryBytes: 1_000 + random.int(4_000),
    logBytes: 1_000 + random.int(6_000),
    inlineBytes: 200 + random.int(1_000),
    partBytes: 500 + random.int(3_000)
  }
  const client = yield* Scope.provide(Store.client(yield* Store.open(store), options), scope)
  return { client, scope }
})

const handles = (world: World, name: Name) => world.client.createOrLoad(name, { ...Store.text, recreate: true })

// --- steps ---

const write = Effect.fnUntraced(function*(world: World, name: Name, model: Model.Model) {
  const updates = randomUpdates(world.random, model.upper, model.upper + 6)
  yield* (yield* handles(world, name)).writer.append(updates)
  model.updates.push(...updates)
})

const seal = Effect.fnUntraced(function*(world: World, name: Name, model: Model.Model) {
  const upper = model.upper + world.random.int(5)
  yield* (yield* handles(world, name)).writer.seal(upper)
  model.upper = upper
})

/** Commands that share commits, some of them invalid where they stand. */
const burst = Effect.fnUntraced(function*(world: World, name: Name, model: Model.Model) {
  const { random } = world
  const { writer } = yield* handles(world, name)
  const replies: Array<readonly [expected: boolean, reply: Ack]> = []
  for (let i = 1 + random.int(6); i > 0; i--) {
    if (random.chance(0.6)) {
      const from = Math.max(0, model.upper - (random.chance(0.2) ? 2 : 0))
      const updates = randomUpdates(random, from, from + 6)
      const isValid = updates.every(({ time }) => time >= model.upper)
      replies.push([isValid, yield* writer.offer(updates)])
      if (isValid) model.updates.push(...updates)
    } else {
      const upper = Math.max(0, model.upper - 1 + random.int(3))
      replies.push([upper >= model.upper, yield* writer.offerSeal(upper)])
      model.upper = Math.max(model.upper, upper)
    }
  }
  let last = 0
  for (const [expected, reply] of replies) {
    const result = yield* Effect.result(Deferred.await(reply))
    assert.strictEqual(Result.isSuccess(result), expected, "a command of the burst is as valid as the model says")
    if (Result.isFailure(result)) assert.propertyVal(result.failure, "_tag", "InvalidRequest")
    else {
      assert.isAbove(result.success, last, "sequence numbers grow")
      last = result.success
    }
  }
})

const allowCompaction = Effect.fnUntraced(function*(world: World, name: Name, model: Model.Model) {
  const since = model.since + world.random.int(world.random.chance(0.05) ? 12 : 4)
  yield* (yield* handles(world, name)).writer.allowCompaction(since)
  model.since = since
})

const compareAndAppend = Effect.fnUntraced(function*(world: World, name: Name, model: Model.Model) {
  const expected = Math.max(0, model.upper + (world.random.chance(0.3) ? world.random.int(3) - 1 : 0))
  const upper = expected + 1 + world.random.int(3)
  const updates = randomUpdates(world.random, expected, upper)
  const { writer } = yield* handles(world, name)
  const result = yield* Effect.result(writer.compareAndAppend(updates, { expected, upper }))
  assert.strictEqual(Result.isSuccess(result), expected === model.upper, "who expects the upper succeeds")
  if (Result.isFailure(result)) return assert.propertyVal(result.failure, "_tag", "UpperMismatch")
  model.updates.push(...updates)
  model.upper = upper
})

const destroy = Effect.fnUntraced(function*(world: World, name: Name) {
  yield* closeListeners(world, (listener) => listener.name === name)
  yield* handles(world, name)
  assert.isTrue(yield* world.client.destroy(name))
  world.models.set(name, Model.make())
})

/** A clean restart, or another process that takes over. */
const restart = Effect.fnUntraced(function*(world: World) {
  yield* closeListeners(world, () => true)
  const isClean = world.random.chance(0.5)
  if (isClean) yield* world.client.stop
  const old = world.scope
  Object.assign(world, yield* open(world.store, world.random))
  yield* Scope.close(old, Exit.void)
})

const listen = Effect.fnUntraced(function*(world: World, name: Name, model: Model.Model) {
  const scope = yield* Scope.make()
  const { events, snapshot } = yield* Scope.provide((yield* handles(world, name)).reader.listen(), scope)
  assert.deepStrictEqual(yield* Store.rows(snapshot), Model.contents(model), "the snapshot of a listener")
  const listener: Listener = { name, scope, start: model.updates.length, startUpper: model.upper, events: [] }
  yield* Stream.runForEach(events, (event) => Effect.sync(() => listener.events.push(event))).pipe(
    Effect.forkIn(scope, { startImmediately: world.random.chance(0.5) })
  )
  world.listeners.push(listener)
})

const closeListeners = Effect.fnUntraced(function*(world: World, which: (listener: Listener) => boolean) {
  for (const listener of world.listeners.filter(which)) {
    yield* checkListener(world, listener)
    yield* Scope.close(listener.scope, Exit.void)
  }
  world.listeners = world.listeners.filter((listener) => !which(listener))
})

const step = Effect.fnUntraced(function*(world: World) {
  const name = world.random.pick(names)
  const model = world.models.get(name)!
  const choice = world.random.int(100)
  if (choice < 38) yield* write(world, name, model)
  else if (choice < 50) yield* seal(world, name, model)
  else if (choice < 62) yield* burst(world, name, model)
  else if (choice < 70) yield* allowCompaction(world, name, model)
  else if (choice < 76) yield* compareAndAppend(world, name, model)
  else if (choice < 84) yield* maintained(world, name, world.client.maintain)
  else if (choice < 88) {
    yield* handles(world, name)
    yield* maintained(world, name, world.client.compact(name))
  } else if (choice < 92) yield* listen(world, name, model)
  else if (choice < 95) yield* restart(world)
  else if (choice < 96) yield* destroy(world, name)
  else yield* Effect.forEach(names, (each) => check(world, each), { discard: true })
  if (world.random.chance(0.25)) yield* check(world, name)
})

/** Maintenance leaves every readable time alone. */
const maintained = Effect.fnUntraced(function*(world: World, name: Name, maintenance: Effect.Effect<void, unknown>) {
  const model = world.models.get(name)!
  const { reader } = yield* handles(world, name)
  const everyTime = Effect.forEach(readable(model), (asOf) => Store.contents(reader, asOf))
  const before = yield* everyTime
  yield* maintenance
  assert.deepStrictEqual(yield* everyTime, before, "the contents at every time, after maintenance")
})

const readable = ({ since, upper }: Model.Model): Array<number> =>
  Array.from({ length: Math.max(0, upper - since) }, (_, i) => since + i)

// --- checks ---

const check = Effect.fnUntraced(function*(world: World, name: Name) {
  const model = world.models.get(name)!
  const { random } = world
  const { reader } = yield* handles(world, name)

  assert.deepStrictEqual(yield* Store.contents(reader), Model.contents(model), "the snapshot of everything")
  const raw = yield* Store.updates(reader)
  assert.deepStrictEqual(
    Model.consolidate(raw),
    Model.consolidate(model.updates, model.since),
    "the updates of a snapshot"
  )
  const one = key(random)
  assert.deepStrictEqual(
    (yield* reader.history(one)).map((row) => ({ ...row })).toSorted(byValue),
    Model.history(model, one).toSorted(byValue),
    "the history of a key"
  )
  for (const asOf of readable(model)) {
    assert.deepStrictEqual(
      yield* Store.contents(reader, asOf),
      Model.contents(model, asOf),
      `the contents as of ${asOf}`
    )
  }
  for (const asOf of readable(model).filter(() => random.chance(0.3))) {
    yield* checkKeys(world, name, asOf)
    const to = asOf + random.int(model.upper - asOf)
    assert.deepStrictEqual(
      yield* Stream.runCollect(reader.changes({ from: asOf, to })),
      Model.changes(model, asOf, to),
      `the changes from ${asOf} to ${to}`
    )
    yield* checkSubscription(world, name, asOf)
  }
  if (model.since > 0) {
    const error = yield* Effect.flip(Store.contents(reader, model.since - 1))
    assert.propertyVal(error, "_tag", "AsOfBeforeSince")
  }
  for (const listener of world.listeners) yield* checkListener(world, listener)
})

const byValue = (a: Model.Row, b: Model.Row): number => a.time - b.time || (a.value < b.value ? -1 : 1)

const checkKeys = Effect.fnUntraced(function*(world: World, name: Name, asOf: number) {
  const model = world.models.get(name)!
  const { reader } = yield* handles(world, name)
  const expected = Model.contents(model, asOf)
  for (const one of keys) {
    assert.deepStrictEqual(
      [...yield* reader.get(one, { asOf })].map(([value, n]) => [one, value, n]),
      expected.filter(([each]) => each === one).map((row) => [...row]),
      `${one} as of ${asOf}`
    )
  }
  const [from, to] = [key(world.random), key(world.random)]
  assert.deepStrictEqual(
    yield* Stream.runCollect(reader.range({ from, to, asOf })),
    expected.filter(([each]) => each >= from && each < to),
    `keys from ${from} to ${to} as of ${asOf}`
  )
})

/** From `asOf`, and resumed from the frontier after it: the contents, and then every change. */
const checkSubscription = Effect.fnUntraced(function*(world: World, name: Name, asOf: number) {
  const model = world.models.get(name)!
  const { reader } = yield* handles(world, name)
  const delivered = yield* delivering(reader.subscribe({ asOf }), model.upper)
  assert.deepStrictEqual(
    Model.consolidate(delivered),
    Model.consolidate(model.updates.filter(({ time }) => time < model.upper), asOf),
    `a subscription as of ${asOf}`
  )
  if (asOf + 1 === model.upper) return
  const resumed = yield* delivering(reader.subscribe({ from: asOf + 1 }), model.upper)
  assert.deepStrictEqual(
    resumed.filter(({ time }) => time <= asOf),
    [],
    "a resumed subscription repeats no time"
  )
  assert.deepStrictEqual(Model.count(resumed), Model.changes(model, asOf, model.upper - 1), `resumed at ${asOf + 1}`)
})

const delivering = (events: Stream.Stream<CollectionEvent<string, string>, unknown>, upper: number) =>
  events.pipe(
    Stream.takeUntil((event) => event._tag === "Progress" && event.frontier >= upper),
    Stream.runCollect,
    Effect.map((all) => all.flatMap((event) => event._tag === "Updates" ? event.updates : []))
  )

/** Every update since the snapshot, once and in order; every seal. */
const checkListener = Effect.fnUntraced(function*(world: World, { events, name, start, startUpper }: Listener) {
  const model = world.models.get(name)!
  const written = model.updates.slice(start)
  const received = () => events.flatMap((event) => event._tag === "Updates" ? event.updates : [])
  const sealed = () => events.findLast((event) => event._tag === "Progress")?.frontier ?? startUpper
  yield* Store.until(() => received().length >= written.length && sealed() >= model.upper)
  assert.deepStrictEqual(received().map((row) => ({ ...row })), written, "what was delivered to a listener")
  assert.strictEqual(sealed(), model.upper, "the seal that was delivered to a listener")
})

const program = (seed: number) =>
  Effect.gen(function*() {
    const random = Prng.make(seed)
    const store = yield* MemoryStorage.make
    const models = new Map(names.map((name) => [name, Model.make()]))
    const world: World = { random, store, models, listeners: [], ...yield* open(store, random) }
    for (let i = 0; i < steps; i++) yield* step(world)
    yield* restart(world)
    for (const name of names) yield* check(world, name)
    yield* closeListeners(world, () => true)
    yield* world.client.stop
    // What a fenced writer has stored when it closed is found by the next writer that opens the store.
    yield* restart(world)
    yield* world.client.maintain
    yield* Scope.close(world.scope, Exit.void)

    const storage = yield* Store.open(store)
    assert.deepStrictEqual(yield* Store.storedKeys(storage), yield* Store.referencedKeys(storage), "blobs")
  }).pipe(
    Effect.catchCause((cause) => Effect.die(new Error(`TIDEMARK_SEED=${seed}: ${Cause.pretty(cause)}`)))
  )

describe("random programs agree with the model", () => {
  for (let seed = firstSeed; seed < firstSeed + seeds; seed++) {
    it.effect(`seed ${seed}`, () => Effect.asVoid(Effect.flatMap(Effect.forkChild(program(seed)), Fiber.join)))
  }
})
