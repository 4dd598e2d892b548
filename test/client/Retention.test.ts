import { assert, describe, it } from "@effect/vitest"
import { Clock, Duration, Effect, Layer, Schedule } from "effect"
import { TestClock } from "effect/testing"
import * as PersistClient from "../../src/client/PersistClient.ts"
import * as Retention from "../../src/client/Retention.ts"
import * as Prng from "../../src/testing/Prng.ts"
import * as Update from "../../src/Update.ts"
import * as Model from "../utils/Model.ts"
import * as Store from "../utils/Store.ts"

const every = (span: "1 second" | "1 minute") => Schedule.spaced(span)

/** A store whose policies are carried out. */
const retaining = (options: Retention.Options) =>
  Effect.gen(function*() {
    const { control, storage } = yield* Store.faulty
    const client = yield* Store.client(storage)
    yield* Layer.build(Layer.provide(Retention.layer(options), Layer.succeed(PersistClient.PersistClient, client)))
    return { client, control, ...yield* client.createOrLoad("s", Store.text) }
  })

const sinceOf = (client: PersistClient.PersistClient["Service"], name = "s") =>
  Effect.map(client.description(name), ({ since }) => since)

describe("retention", () => {
  it.effect("times: the last ones are readable, and no others", () =>
    Effect.gen(function*() {
      const { client, reader, writer } = yield* retaining({
        collections: { s: Retention.times(3) },
        schedule: every("1 second")
      })
      const model = Model.make()
      const prng = Prng.make(5)
      for (let time = 0; time < 20; time++) {
        const update = Update.make(`k${prng.int(4)}`, `v${prng.int(3)}`, time, prng.int(5) - 2)
        yield* writer.append([update])
        model.updates.push(update)
        yield* writer.seal(time + 1)
        yield* TestClock.adjust("1 second")
        yield* client.compact("s")
        assert.strictEqual(yield* sinceOf(client), Math.max(0, time - 2))
        for (let asOf = Math.max(0, time - 2); asOf <= time; asOf++) {
          assert.deepStrictEqual(yield* Store.contents(reader, asOf), Model.contents(model, asOf))
        }
      }
    }))

  it.effect("latest: as of the last time; a finished collection is left alone, and so is one that is not sealed", () =>
    Effect.gen(function*() {
      const { client, writer } = yield* retaining({ others: Retention.latest, schedule: every("1 second") })
      const finished = yield* client.createOrLoad("finished", Store.text)
      yield* finished.writer.seal(Infinity)
      yield* client.createOrLoad("fresh", Store.text)
      yield* writer.seal(8)
      yield* TestClock.adjust("1 second")
      const all = yield* client.descriptions
      assert.deepStrictEqual(all.map(({ name, since }) => [name, since]), [["s", 7], ["finished", 0], ["fresh", 0]])
    }))

  it.effect("duration: what could be read so long ago still can, whatever times mean", () =>
    Effect.gen(function*() {
      const { client, writer } = yield* retaining({
        collections: { s: Retention.duration("10 minutes") },
        schedule: every("1 minute")
      })
      const prng = Prng.make(7)
      const uppers = [0]
      for (let minute = 1; minute <= 60; minute++) {
        const upper = uppers.at(-1)! + prng.int(3) * 10
        yield* writer.seal(upper)
        uppers.push(upper)
        yield* TestClock.adjust("1 minute")
        const since = yield* sinceOf(client)
        const then = uppers[Math.max(0, minute - 10)]!
        assert.isAtMost(since, Math.max(0, then - 1), `after ${minute} minutes`)
        const before = uppers[Math.max(0, minute - 12)]!
        assert.isAtLeast(since, Math.max(0, before - 1), `after ${minute} minutes`)
      }
    }))

  it.effect("duration: a clock that jumps gives nothing up, one that runs does", () =>
    Effect.gen(function*() {
      const clock = yield* Clock.Clock
      let jumped = 0
      // The wall clock is set; the monotonic one is not.
      const set: Clock.Clock = {
        ...clock,
        sleep: (duration) => clock.sleep(duration),
        monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
        monotonicTimeNanos: clock.monotonicTimeNanos,
        currentTimeNanosUnsafe: () => clock.currentTimeNanosUnsafe() + BigInt(jumped) * 1_000_000n,
        currentTimeNanos: Effect.sync(() => set.currentTimeNanosUnsafe()),
        currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe() + jumped,
        currentTimeMillis: Effect.sync(() => set.currentTimeMillisUnsafe())
      }
      yield* Effect.gen(function*() {
        const { client, writer } = yield* retaining({
          collections: { s: Retention.duration("7 days") },
          schedule: every("1 minute")
        })
        yield* writer.seal(50)
        yield* TestClock.adjust("2 minutes")
        jumped = Duration.toMillis("20000 days")
        yield* TestClock.adjust("2 minutes")
        yield* writer.seal(60)
        yield* TestClock.adjust("2 minutes")
        assert.strictEqual(yield* sinceOf(client), 0)
        jumped = 0
        yield* TestClock.adjust("2 minutes")
        jumped = Duration.toMillis("10 days")
        yield* TestClock.adjust("2 minutes")
        assert.strictEqual(yield* sinceOf(client), 0)
      }).pipe(Effect.provideService(Clock.Clock, set))
    }))

  it("duration: what counts is the time that has run", () => {
    const watch = Retention.duration("1 minute")()
    const description = (upper: number) => ({ since: 0, upper }) as Parameters<typeof watch>[0]
    assert.strictEqual(watch(description(5), 0, 0), 0)
    assert.strictEqual(watch(description(9), 1e12, 30_000), 0)
    assert.strictEqual(watch(description(9), 0, 60_000), 4)
    assert.strictEqual(watch(description(9), 0, 90_000), 8)
  })

  it.effect("manual: nothing is given up; a since that is ahead of the policy stays", () =>
    Effect.gen(function*() {
      const { client, writer } = yield* retaining({
        collections: { s: Retention.times(5) },
        schedule: every("1 second")
      })
      const other = yield* client.createOrLoad("other", Store.text)
      yield* other.writer.seal(100)
      yield* writer.seal(10)
      yield* writer.allowCompaction(9)
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(yield* sinceOf(client), 9)
      assert.strictEqual(yield* sinceOf(client, "other"), 0)
    }))

  it.effect("a new collection of an old name is watched anew", () =>
    Effect.gen(function*() {
      const { client, writer } = yield* retaining({
        collections: { s: Retention.duration("5 seconds") },
        schedule: every("1 second")
      })
      yield* writer.seal(50)
      yield* TestClock.adjust("3 seconds")
      yield* client.destroy("s")
      const again = yield* client.createOrLoad("s", { ...Store.text, recreate: true })
      yield* again.writer.seal(20)
      yield* TestClock.adjust("4 seconds")
      assert.strictEqual(yield* sinceOf(client), 0)
      yield* TestClock.adjust("4 seconds")
      assert.strictEqual(yield* sinceOf(client), 19)
    }))

  it.effect("goes on when the store could not be written to", () =>
    Effect.gen(function*() {
      const { client, control, writer } = yield* retaining({ others: Retention.latest, schedule: every("1 second") })
      yield* TestClock.adjust("1 second")
      yield* writer.seal(10)
      control.broken.add("append")
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual(yield* sinceOf(client), 0)
      control.broken.clear()
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual(yield* sinceOf(client), 9)
    }))
})
