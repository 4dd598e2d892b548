import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Scope, Stream } from "effect"
import * as Bucket from "../../src/s3/Bucket.ts"
import * as EntryList from "../../src/s3/EntryList.ts"
import * as Record from "../../src/s3/Record.ts"
import type { Writer } from "../../src/storage/Log.ts"
import * as Prng from "../../src/testing/Prng.ts"
import { openLog, options } from "./Buckets.ts"
import { stores } from "./Endpoints.ts"
import * as Proxy from "./Proxy.ts"

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)
const bytes = (content: string): Uint8Array => new TextEncoder().encode(content)

const isRecord = (request: Proxy.Request) => Proxy.isPut(request, "log")
const isList = ({ url }: Proxy.Request) => url.includes("list-type=2")

/** A log that two openers see, one of them through a proxy. */
const setUp = (endpoint: Effect.Effect<string, never, Scope.Scope>) =>
  Effect.gen(function*() {
    const direct = options(yield* endpoint)
    const proxy = yield* Proxy.make(direct.endpoint!)
    return { proxy, direct, troubled: { ...direct, endpoint: proxy.endpoint } }
  })

const contents = (made: ReturnType<typeof options>, from?: number) =>
  Effect.gen(function*() {
    const log = yield* openLog(made)
    const { lower } = yield* log.bounds
    const entries = yield* Stream.runCollect(log.read(from ?? lower))
    return entries.map((entry) => text(entry.bytes))
  })

/** Holds the first request of a kind until it is let go. */
const gate = (isMeant: (request: Proxy.Request) => boolean) =>
  Effect.gen(function*() {
    const [arrived, open] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
    let isOver = false
    const choose = (request: Proxy.Request): Proxy.Fault => {
      if (isOver || !isMeant(request)) return "pass"
      isOver = true
      return Effect.andThen(Deferred.succeed(arrived, undefined), Deferred.await(open))
    }
    return { choose, arrived: Deferred.await(arrived), open: Deferred.succeed(open, undefined) }
  })

/** The first record meets a fault, and requests after it what `then` chooses. */
const firstly = (fault: Proxy.Fault, then: Proxy.Proxy["choose"]): Proxy.Proxy["choose"] => {
  let isFirst = true
  return (request) => {
    if (!isRecord(request) || !isFirst) return then(request)
    isFirst = false
    return fault
  }
}

const appendAll = (writer: Writer, from: number, to: number) =>
  Effect.gen(function*() {
    for (let i = from; i < to; i++) yield* writer.append(i, [bytes(`entry ${i}`)])
  })

for (const { endpoint, name } of stores) {
  describe(`appends, ${name}`, () => {
    it.live.each(["applied", "applied500", "lost", 409, 500, 503] as const)(
      "one whose answer is %s is there once",
      (fault) =>
        Effect.gen(function*() {
          const { direct, proxy, troubled } = yield* setUp(endpoint)
          const writer = yield* (yield* openLog(troubled)).acquire
          let count = 0
          proxy.choose = (request) => isRecord(request) && count++ < 2 ? fault : "pass"
          assert.strictEqual(yield* writer.append(0, [bytes("a"), bytes("b")]), 2)
          proxy.choose = () => "pass"
          assert.strictEqual(yield* writer.append(2, [bytes("c")]), 3)
          assert.deepStrictEqual(yield* contents(direct), ["a", "b", "c"])
        })
    )

    it.live.each(["applied", "lost"] as const)(
      "one that stays unknown is found out about by the next writer: %s",
      (fault) =>
        Effect.gen(function*() {
          const { direct, proxy, troubled } = yield* setUp(endpoint)
          const log = yield* openLog(troubled)
          const writer = yield* log.acquire
          proxy.choose = (request) => isRecord(request) ? fault : request.method === "GET" ? "lost" : "pass"
          assert.strictEqual((yield* Effect.flip(writer.append(0, [bytes("a")])))._tag, "Indeterminate")
          assert.strictEqual((yield* Effect.flip(writer.append(0, [bytes("b")])))._tag, "Unavailable")
          assert.strictEqual((yield* Effect.flip(log.acquire))._tag, "Unavailable")
          proxy.choose = () => "pass"
          const next = yield* log.acquire
          assert.strictEqual(next.epoch, writer.epoch + 1)
          const expected = fault === "applied" ? ["a"] : []
          assert.strictEqual(next.bounds.upper, expected.length)
          assert.deepStrictEqual(yield* contents(direct), expected)
        })
    )

    it.live("an epoch whose beginning stayed unknown is the one that the next attempt gets", () =>
      Effect.gen(function*() {
        const { proxy, troubled } = yield* setUp(endpoint)
        const log = yield* openLog(troubled)
        const writer = yield* log.acquire
        const applying = (others: Proxy.Fault) => {
          let count = 0
          return (request: Proxy.Request) => !isRecord(request) ? "pass" : count++ === 0 ? "applied" : others
        }
        proxy.choose = applying("pass")
        assert.strictEqual((yield* log.acquire).epoch, writer.epoch + 1)
        proxy.choose = applying("lost")
        assert.strictEqual((yield* Effect.flip(log.acquire))._tag, "Indeterminate")
        proxy.choose = () => "pass"
        assert.strictEqual((yield* log.acquire).epoch, writer.epoch + 2)
      }))

    it.live("an append that was interrupted leaves its writer unusable, and nothing twice", () =>
      Effect.gen(function*() {
        const { direct, proxy, troubled } = yield* setUp(endpoint)
        const log = yield* openLog(troubled)
        const writer = yield* log.acquire
        const held = yield* gate(isRecord)
        proxy.choose = held.choose
        const append = yield* Effect.forkChild(writer.append(0, [bytes("a")]))
        yield* held.arrived
        yield* Fiber.interrupt(append)
        assert.strictEqual((yield* Effect.flip(writer.append(0, [bytes("a")])))._tag, "Unavailable")
        const next = yield* log.acquire
        yield* next.append(0, [bytes("b")])
        yield* held.open
        yield* Effect.sleep("20 millis")
        assert.deepStrictEqual(yield* contents(direct), ["b"])
      }))
  })

  describe(`sleepers, ${name}`, () => {
    it.live("an append that was under way during a takeover is fenced, whatever was deleted meanwhile", () =>
      Effect.gen(function*() {
        const { direct, proxy, troubled } = yield* setUp(endpoint)
        const sleeper = yield* (yield* openLog(troubled)).acquire
        yield* appendAll(sleeper, 0, 3)
        const held = yield* gate(isRecord)
        proxy.choose = held.choose
        const late = yield* Effect.forkChild(Effect.flip(sleeper.append(3, [bytes("late")])))
        yield* held.arrived
        const other = yield* openLog(direct)
        const writer = yield* other.acquire
        yield* appendAll(writer, 3, 9)
        yield* writer.truncate(8)
        assert.strictEqual((yield* other.bounds).lower, 8)
        yield* held.open
        assert.strictEqual((yield* Fiber.join(late))._tag, "Fenced")
        assert.deepStrictEqual(yield* contents(direct), ["entry 8"])
        assert.strictEqual((yield* Effect.flip(sleeper.truncate(3)))._tag, "Fenced")
      }))

    it.live("one that was applied, forgotten, and replaced by a straggler of the next writer is not called fenced", () =>
      Effect.gen(function*() {
        const { direct, proxy, troubled } = yield* setUp(endpoint)
        const sleeper = yield* (yield* openLog(troubled)).acquire
        yield* appendAll(sleeper, 0, 3)
        const held = yield* gate(isRecord)
        proxy.choose = firstly("applied", held.choose)
        const late = yield* Effect.forkChild(Effect.flip(sleeper.append(3, [bytes("entry 3")])))
        yield* held.arrived
        const other = yield* openLog(direct)
        const writer = yield* other.acquire
        assert.strictEqual(writer.bounds.upper, 4)
        yield* appendAll(writer, 4, 9)
        yield* writer.truncate(8)
        // A claim that the next writer sent before it saw the record, and that arrives after the record was deleted.
        const claim = { number: 4, epoch: writer.epoch, position: 3, opener: 1n }
        const bucket = yield* Bucket.make(direct)
        assert.isTrue(yield* bucket.create(EntryList.recordKey(claim.number), Record.encode(claim, [])))
        yield* held.open
        assert.strictEqual((yield* Fiber.join(late))._tag, "Indeterminate")
      }))

    it.live("one whose answer was lost, and whose number the next writer has taken, is fenced", () =>
      Effect.gen(function*() {
        const { direct, proxy, troubled } = yield* setUp(endpoint)
        const sleeper = yield* (yield* openLog(troubled)).acquire
        yield* appendAll(sleeper, 0, 3)
        const held = yield* gate(isRecord)
        proxy.choose = firstly("lost", held.choose)
        const late = yield* Effect.forkChild(Effect.flip(sleeper.append(3, [bytes("late")])))
        yield* held.arrived
        const writer = yield* (yield* openLog(direct)).acquire
        yield* appendAll(writer, 3, 5)
        yield* held.open
        assert.strictEqual((yield* Fiber.join(late))._tag, "Fenced")
      }))

    it.live("an acquisition that was under way gets a place behind what happened, and not a number that was deleted", () =>
      Effect.gen(function*() {
        const { direct, proxy, troubled } = yield* setUp(endpoint)
        const other = yield* openLog(direct)
        const writer = yield* other.acquire
        yield* appendAll(writer, 0, 3)
        const held = yield* gate(isRecord)
        proxy.choose = held.choose
        const sleeper = yield* openLog(troubled)
        const late = yield* Effect.forkChild(sleeper.acquire)
        yield* held.arrived
        yield* appendAll(writer, 3, 9)
        yield* writer.truncate(8)
        yield* held.open
        const next = yield* Fiber.join(late)
        assert.isAbove(next.epoch, writer.epoch)
        assert.deepStrictEqual(next.bounds, { lower: 8, upper: 9 })
        yield* next.append(9, [bytes("entry 9")])
        assert.strictEqual((yield* Effect.flip(writer.append(9, [bytes("late")])))._tag, "Fenced")
        assert.deepStrictEqual(yield* contents(direct), ["entry 8", "entry 9"])
      }))

    it.live("a first acquisition that slept does not begin a second log", () =>
      Effect.gen(function*() {
        const { direct, proxy, troubled } = yield* setUp(endpoint)
        const held = yield* gate((request) => Proxy.isPut(request, "anchors"))
        proxy.choose = held.choose
        const late = yield* Effect.forkChild(Effect.flatMap(openLog(troubled), (log) => log.acquire))
        yield* held.arrived
        const writer = yield* (yield* openLog(direct)).acquire
        yield* appendAll(writer, 0, 9)
        yield* writer.truncate(8)
        yield* held.open
        assert.deepStrictEqual((yield* Fiber.join(late)).bounds, { lower: 8, upper: 9 })
        assert.deepStrictEqual(yield* contents(direct), ["entry 8"])
        // Its anchor is not left: with it, a reader of an old listing would take the log for a short one.
        proxy.choose = (request) => isList(request) ? "stale" : "pass"
        const log = yield* openLog(troubled)
        assert.strictEqual((yield* Effect.flip(log.bounds))._tag, "Unavailable")
      }))

    it.live("a follower that slept goes on, or fails because what it wants is gone", () =>
      Effect.gen(function*() {
        const { direct } = yield* setUp(endpoint)
        const writer = yield* (yield* openLog(direct)).acquire
        yield* appendAll(writer, 0, 3)
        const follower = yield* openLog(direct)
        assert.deepStrictEqual(yield* follower.bounds, { lower: 0, upper: 3 })
        yield* appendAll(writer, 3, 9)
        yield* writer.truncate(8)
        assert.strictEqual((yield* Effect.flip(Stream.runDrain(follower.read(3))))._tag, "Unavailable")
        assert.deepStrictEqual(yield* follower.bounds, { lower: 8, upper: 9 })
        yield* appendAll(writer, 9, 10)
        assert.deepStrictEqual((yield* Stream.runCollect(follower.read(8))).map((entry) => text(entry.bytes)), [
          "entry 8",
          "entry 9"
        ])
      }))
  })

  describe(`listings, ${name}`, () => {
    it.live("a listing from before the log began, or from before it was truncated, hides nothing", () =>
      Effect.gen(function*() {
        const { direct, proxy, troubled } = yield* setUp(endpoint)
        assert.deepStrictEqual(yield* contents(troubled), [])
        const writer = yield* (yield* openLog(direct)).acquire
        yield* appendAll(writer, 0, 9)
        proxy.choose = (request) => isList(request) ? "stale" : "pass"
        assert.strictEqual((yield* contents(troubled)).length, 9)
        yield* writer.truncate(8)
        const log = yield* openLog(troubled)
        assert.strictEqual((yield* Effect.flip(log.bounds))._tag, "Unavailable")
        assert.strictEqual((yield* Effect.flip(log.acquire))._tag, "Unavailable")
        proxy.choose = () => "pass"
        assert.deepStrictEqual((yield* log.acquire).bounds, { lower: 8, upper: 9 })
        assert.deepStrictEqual(yield* contents(direct), ["entry 8"])
      }))
  })

  describe(`random faults, ${name}`, () => {
    const faults: ReadonlyArray<Proxy.Fault> = [
      "lost",
      "applied",
      "applied500",
      "cut",
      409,
      500,
      503,
      Effect.sleep("3 millis")
    ]

    it.live.each([1, 2, 3])(
      "nothing acknowledged is lost, nothing refused is there, nothing is doubled: seed %i",
      (seed) =>
        Effect.gen(function*() {
          const random = Prng.make(seed)
          const { direct, proxy, troubled } = yield* setUp(endpoint)
          proxy.choose = () => random.chance(0.35) ? random.pick(faults) : "pass"
          const acknowledged = new Map<number, string>()
          const refused = new Set<string>()
          const offered = new Set<string>()
          let counter = 0
          for (let round = 0; round < 8; round++) {
            const scope = yield* Scope.make()
            const log = yield* Scope.provide(openLog(troubled), scope)
            const acquired = yield* Effect.option(Scope.provide(log.acquire, scope))
            if (acquired._tag === "Some") {
              const writer = acquired.value
              let upper = writer.bounds.upper
              for (let step = 0; step < 8; step++) {
                const entries = Array.from({ length: 1 + random.int(3) }, () => `entry ${counter++}`)
                for (const entry of entries) offered.add(entry)
                const exit = yield* Effect.exit(writer.append(upper, entries.map(bytes)))
                if (Exit.isSuccess(exit)) {
                  entries.forEach((entry, i) => acknowledged.set(upper + i, entry))
                  upper = exit.value
                  if (random.chance(0.2)) yield* Effect.ignore(writer.truncate(random.int(upper + 1)))
                } else {
                  const error = Exit.findErrorOption(exit)
                  assert.strictEqual(error._tag, "Some")
                  if (error._tag === "Some" && error.value._tag === "Indeterminate") break
                  for (const entry of entries) refused.add(entry)
                }
              }
            }
            yield* Scope.close(scope, Exit.void)
          }
          proxy.choose = () => "pass"
          const log = yield* openLog(direct)
          const { lower, upper } = yield* log.bounds
          const entries = yield* Stream.runCollect(log.read(lower))
          const found = entries.map((entry) => text(entry.bytes))
          assert.deepStrictEqual(entries.map(({ position }) => position), found.map((_, i) => lower + i))
          for (const [position, entry] of acknowledged) {
            assert.isBelow(position, upper)
            if (position >= lower) assert.strictEqual(found[position - lower], entry)
          }
          assert.strictEqual(new Set(found).size, found.length)
          assert.deepStrictEqual(found.filter((entry) => refused.has(entry) || !offered.has(entry)), [])
          assert.isAbove(acknowledged.size, 10)
          assert.deepStrictEqual(yield* Stream.runCollect(log.verify), [])
        }),
      120_000
    )
  })
}
