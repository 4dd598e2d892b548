import { assert, describe, it } from "@effect/vitest"
import { Clock, Deferred, Effect, Exit, Random, Schedule, Scheduler } from "effect"
import * as Simulation from "../../../src/testing/simulation/Simulation.ts"
import * as Faults from "../../../src/testing/storage/Faults.ts"
import * as Programs from "./Programs.ts"

const range = (count: number): ReadonlyArray<number> => Array.from({ length: count }, (_, i) => i)

const success = <A, E>({ exit }: Simulation.Outcome<A, E>): A => {
  assert(Exit.isSuccess(exit), String(exit))
  return exit.value
}

describe("a seed", () => {
  it.live.each(
    [["without faults", Faults.none], ["with mild faults", Faults.mild], ["with harsh ones", Faults.harsh]] as const
  )(
    "replays to the same history %s",
    ([, faults]) =>
      Effect.forEach(range(8), (seed) =>
        Effect.gen(function*() {
          const first = yield* Simulation.simulate({ seed, faults, program: Programs.store })
          const second = yield* Simulation.simulate({ seed, faults, program: Programs.store })
          assert.deepStrictEqual(
            { ...second, exit: String(second.exit) },
            { ...first, exit: String(first.exit) }
          )
        }))
  )

  it.live("is another history than every other seed", () =>
    Effect.gen(function*() {
      const outcomes = yield* Effect.forEach(range(40), (seed) =>
        Simulation.simulate({ seed, program: Programs.store, faults: Faults.mild }))
      assert.strictEqual(
        new Set(outcomes.map(({ traceHash }) =>
          traceHash
        )).size,
        40
      )
      assert.isAtLeast(new Set(outcomes.map(({ interleaving }) => interleaving)).size, 34)
    }))

  it("decides what Random draws", async () => {
    const program = Effect.all([Random.next, Random.nextInt, Random.nextIntBetween(0, 1_000_000)])
    const [first, again, other] = await Promise.all([1, 1, 2].map((seed) => Simulation.run({ seed, program })))
    assert.deepStrictEqual(success(again!), success(first!))
    assert.notDeepEqual(success(other!), success(first!))
  })

  it.each([["who comes next", true], ["after which operation", false]])(
    "decides the order of fibers: %s",
    async (_, runsAtAStretch) => {
      const program = Effect.gen(function*() {
        const order: Array<string> = []
        const enter = (name: string) => Effect.andThen(Effect.yieldNow, Effect.sync(() => order.push(name)))
        yield* Effect.forEach(["a", "b", "c"], enter, { concurrency: "unbounded" })
        return order.join("")
      }).pipe(Effect.provideService(Scheduler.PreventSchedulerYield, runsAtAStretch))
      const orders = new Set<string>()
      for (const seed of range(100)) orders.add(success(await Simulation.run({ seed, program })))
      assert.deepStrictEqual([...orders].toSorted(), ["abc", "acb", "bac", "bca", "cab", "cba"])
    }
  )
})

describe("time", () => {
  it("jumps to the next sleeper: a year takes no time", async () => {
    const ticks = Effect.repeat(
      Clock.currentTimeMillis,
      Schedule.spaced("1 hour").pipe(Schedule.upTo({ times: 365 * 24 }))
    )
    const outcome = await Simulation.run({ seed: 1, program: ticks })
    assert.strictEqual(outcome.virtualMillis, 365 * 24 * 3_600_000)
    assert.strictEqual(success(outcome), 365 * 24)
  })

  it("tells whole milliseconds, as the clock of a machine does, so that a loop that sleeps until a time comes to its end", async () => {
    const until = (time: number): Effect.Effect<void> =>
      Clock.clockWith((clock) => {
        const left = time - clock.currentTimeMillisUnsafe()
        return left <= 0 ? Effect.void : Effect.andThen(Effect.sleep(left), until(time))
      })
    const program = Effect.forEach(Array.from({ length: 200 }, (_, i) => i), (i) =>
      Effect.gen(function*() {
        yield* Effect.sleep(i / 7)
        const asked = yield* Clock.currentTimeMillis
        yield* Effect.sleep(i / 11)
        yield* until(asked + 100)
        return asked
      }))
    const times = success(await Simulation.run({ seed: 1, program, maxSteps: 100_000 }))
    assert.isTrue(times.every(Number.isInteger))
  })

  it("wakes sleepers in the order of their times, and those of the same time in any", async () => {
    const program = Effect.gen(function*() {
      const order: Array<number> = []
      const sleeper = (millis: number) => Effect.andThen(Effect.sleep(millis), Effect.sync(() => order.push(millis)))
      yield* Effect.forEach([30, 10.5, 20, 10, 0], sleeper, { concurrency: "unbounded" })
      return order
    })
    for (const seed of range(20)) {
      assert.deepStrictEqual(success(await Simulation.run({ seed, program })), [0, 10, 10.5, 20, 30])
    }
  })

  it("stands still while promises have something to do", async () => {
    const chain = async () => {
      for (let i = 0; i < 50; i++) await Promise.resolve()
      return "in time"
    }
    const program = Effect.timeout(Effect.promise(chain), "1 millis")
    assert.strictEqual(success(await Simulation.run({ seed: 1, program })), "in time")
  })

  it("forgets the sleep of who is interrupted", async () => {
    const outcome = await Simulation.run({ seed: 1, program: Effect.timeoutOption(Effect.sleep("1 day"), "1 second") })
    assert.strictEqual(outcome.virtualMillis, 1000)
  })
})

describe("a program that cannot end", () => {
  it("is stuck when nothing is ready and nothing sleeps, and its finalizers run", async () => {
    let isClosed = false
    const program = Effect.ensuring(Effect.never, Effect.sync(() => void (isClosed = true)))
    const { exit } = await Simulation.run({ seed: 1, program })
    assert.match(String(exit), /Stuck: nothing is ready/)
    assert.isTrue(isClosed)
  })

  it("is stuck after its steps", async () => {
    const outcome = await Simulation.run({ seed: 1, program: Effect.forever(Effect.yieldNow), maxSteps: 1000 })
    assert.match(String(outcome.exit), /Stuck: it did not end within 1000 steps/)
  })
})

describe("a process", () => {
  it("ends with what its effect ends with", async () => {
    const program = Effect.flatMap(Simulation.spawn(Effect.succeed(1)), (process) => process.exit)
    assert.deepStrictEqual(success(await Simulation.run({ seed: 1, program })), Exit.succeed(1))
  })

  it("executes nothing more after it was killed, also if another process completes what it waits for", async () => {
    const program = Effect.gen(function*() {
      const events: Array<string> = []
      const event = (name: string) => Effect.sync(() => void events.push(name))
      const signal = yield* Deferred.make<void>()
      const victim = yield* Simulation.spawn(
        Effect.gen(function*() {
          yield* event("started")
          yield* Effect.forkChild(Effect.andThen(Effect.sleep("2 seconds"), event("woken")))
          yield* Effect.forkChild(Effect.forever(Effect.sleep("1 second")))
          yield* Deferred.await(signal)
          yield* event("resumed")
        }).pipe(Effect.ensuring(event("finalized")))
      )
      yield* Effect.sleep("1 second")
      yield* victim.kill
      yield* Deferred.succeed(signal, undefined)
      yield* Effect.sleep("1 minute")
      const exit = yield* victim.exit
      assert.match(String(exit), /Killed/)
      return events
    })
    for (const seed of range(10)) {
      assert.deepStrictEqual(success(await Simulation.run({ seed, program })), ["started"])
    }
  })

  it("that is killed loses nothing that was acknowledged", async () => {
    for (const seed of range(15)) {
      success(await Simulation.run({ seed, program: Programs.crashes, faults: Faults.mild }))
    }
  })

  it("does nothing while it is stopped, and goes on when it was woken as often", async () => {
    const program = Effect.gen(function*() {
      let ticks = 0
      const process = yield* Simulation.spawn(
        Effect.forever(Effect.andThen(Effect.sleep("1 second"), Effect.sync(() => void ticks++)))
      )
      const after = (effect: Effect.Effect<void>) => Effect.andThen(effect, Effect.as(Effect.sleep("10500 millis"), 0))
      yield* after(Effect.void)
      const seen = [ticks]
      for (const effect of [process.stop, process.stop, process.wake, process.wake]) {
        yield* after(effect)
        seen.push(ticks)
      }
      return seen
    })
    for (const seed of range(10)) {
      assert.deepStrictEqual(success(await Simulation.run({ seed, program })), [10, 10, 10, 10, 21])
    }
  })

  it("has clocks of its own: the wall clock goes both ways, the monotonic one forward only", async () => {
    const clocks = Effect.all([Clock.currentTimeMillis, Clock.Clock.use((clock) => clock.monotonicTimeNanos)])
    const program = Effect.gen(function*() {
      const asked = yield* Deferred.make<void>()
      const process = yield* Simulation.spawn(Effect.andThen(Deferred.await(asked), clocks))
      yield* Effect.sleep("1 minute")
      yield* process.shiftClock({ wall: -30_000, monotonic: 1_000 })
      yield* process.shiftClock({ monotonic: -5_000 })
      yield* Deferred.succeed(asked, undefined)
      return [yield* Effect.flatten(process.exit), yield* clocks]
    })
    assert.deepStrictEqual(success(await Simulation.run({ seed: 1, program })), [
      [30_000, 61_000_000_000n],
      [60_000, 60_000_000_000n]
    ])
  })
})
