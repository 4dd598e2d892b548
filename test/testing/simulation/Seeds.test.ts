import { assert, describe, it as base } from "@effect/vitest"
import { ConfigProvider, Effect, Random } from "effect"
import { execFileSync } from "node:child_process"
import { join } from "node:path"
import * as Prng from "../../../src/testing/Prng.ts"
import * as Replay from "../../../src/testing/Replay.ts"
import * as Seeds from "../../../src/testing/simulation/Seeds.ts"
import * as Simulation from "../../../src/testing/simulation/Simulation.ts"
import * as SimulationTest from "../../../src/testing/simulation/SimulationTest.ts"
import * as Faults from "../../../src/testing/storage/Faults.ts"
import * as Programs from "./Programs.ts"

const it = SimulationTest.extend(base)

/** Runs as with an environment variable that a failure has printed. */
const withReplay = (replay: string) =>
  Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromUnknown({ TIDEMARK_REPLAY: replay }))

const failureOf = <A, E>(options: Seeds.Options<A, E>) =>
  Effect.map(Effect.flip(Seeds.check(options)), (error) => {
    assert.instanceOf(error, Seeds.SeedFailed)
    return error as Seeds.SeedFailed
  })

describe("a planted race", () => {
  it.live("is found by some seed, and the line that is printed replays it", () =>
    Effect.gen(function*() {
      const error = yield* failureOf({ program: Programs.lostUpdate, seeds: 500, command: "npm test" })
      assert.match(error.message, /^seed \d+ fails: an update was lost\n.*\nreplay: TIDEMARK_REPLAY=\S+ npm test$/)
      assert.strictEqual((error.cause as Error).message, "an update was lost")
      const line = /TIDEMARK_REPLAY=(\S+)/.exec(error.message)![1]!
      const again = yield* withReplay(line)(failureOf({ program: Programs.lostUpdate }))
      assert.strictEqual(again.replay, error.replay)
      assert.match(again.message, /as replayed/)
    }))

  it.live("is not found where every fiber runs until it waits", () =>
    Effect.forEach(Array.from({ length: 50 }, (_, seed) => seed), (seed) =>
      Effect.map(
        Simulation.simulate({ seed, program: Programs.lostUpdate, kept: { choices: new Set() } }),
        ({ exit }) => assert.strictEqual(exit._tag, "Success")
      )))
})

describe("the shrinker", () => {
  it.live("leaves nothing but the choices, the faults and the steps that are needed", () =>
    Effect.gen(function*() {
      const faults = { ...Faults.none, lost: 0.3 }
      const error = yield* failureOf({ program: Programs.trustsTheLast, seeds: 100, faults })
      const { kept, seed } = Replay.parse(error.replay)!
      const whole = yield* Simulation.simulate({ seed, faults, program: Programs.trustsTheLast })
      const small = yield* Simulation.simulate({ seed, faults, kept, program: Programs.trustsTheLast })
      assert.strictEqual(whole.exit._tag, "Failure")
      assert.strictEqual(small.exit._tag, "Failure")
      assert.isBelow(small.steps, whole.steps / 4)
      assert.isBelow(small.faults, whole.faults)
      assert.deepStrictEqual([kept.steps?.size, small.faults, kept.choices?.size], [1, 1, 0], error.message)
    }))

  it.live("does not take another violation for the same", () =>
    Effect.gen(function*() {
      // Without its steps the program fails, too, but in another way.
      const program = Effect.gen(function*() {
        let count = 0
        for (let i = 0; i < 10; i++) yield* Simulation.step(Effect.sync(() => void count++))
        return yield* Effect.die(new Error(count >= 3 ? "many" : "few"))
      })
      const error = yield* failureOf({ program, seeds: 1 })
      assert.match(error.message, /fails: many/)
      assert.strictEqual(Replay.parse(error.replay)!.kept.steps?.size, 3)
    }))

  it.live("tries no more histories than it may", () =>
    Effect.gen(function*() {
      let runs = 0
      const program = Effect.gen(function*() {
        runs++
        let count = 0
        for (let i = 0; i < 100; i++) yield* Simulation.step(Effect.sync(() => void count++))
        return yield* Effect.fail(count === 100 ? "all" : "not all")
      })
      yield* failureOf({ program, seeds: 1, shrinkRuns: 5 })
      assert.strictEqual(runs, 6)
    }))
})

describe("a step", () => {
  it.live("has randomness of its own, so that leaving others out does not change it", () =>
    Effect.gen(function*() {
      const program = Effect.forEach([0, 1, 2, 3], () => Simulation.step(Random.nextInt))
      const drawn = (kept: Replay.Choices) =>
        Effect.map(Simulation.simulate({ seed: 5, kept, program }), ({ exit }) =>
          exit._tag === "Success" ? exit.value : [])
      const all = yield* drawn(Replay.all)
      assert.strictEqual(new Set(all).size, 4)
      assert.deepStrictEqual(yield* drawn({ steps: new Set([2]) }), [undefined, undefined, all[2], undefined])
    }))
})

describe("a replay", () => {
  it("is read as it was printed", () => {
    const random = Prng.make(1)
    const numbers = () =>
      random.chance(0.3) ? undefined : new Set(Array.from({ length: random.int(4) }, () => random.int(99)))
    for (let i = 0; i < 200; i++) {
      const kept = { steps: numbers(), faults: numbers(), choices: numbers() }
      const read = Replay.parse(Replay.print({ seed: i, kept }))
      assert.deepStrictEqual({ ...kept, ...read?.kept }, kept)
      assert.strictEqual(read?.seed, i)
    }
  })

  it.each(["", "x", "1:", "1:d3", "1:c3,", "-1", "1.5", "1:c3;f2"])("%j is none", (text) => {
    assert.isUndefined(Replay.parse(text))
  })

  it.live("of a seed alone runs everything; of anything else it is refused", () =>
    Effect.gen(function*() {
      const { seeds, steps } = yield* withReplay("3")(Seeds.check({ program: Programs.store }))
      assert.strictEqual(seeds, 1)
      assert.strictEqual(steps, (yield* Simulation.simulate({ seed: 3, program: Programs.store })).steps)
      const exit = yield* withReplay("three")(Effect.exit(Seeds.check({ program: Programs.store })))
      assert.match(String(exit), /TIDEMARK_REPLAY=three is not what a failure prints/)
    }))
})

describe("determinism", () => {
  it.live("is checked: a program that keeps something from run to run is reported", () =>
    Effect.gen(function*() {
      let runs = 0
      const program = Effect.suspend(() => Simulation.note(`run ${++runs}`))
      const error = yield* Effect.flip(Seeds.check({ program, seeds: 1 }))
      assert.instanceOf(error, Seeds.NotDeterministic)
    }))

  it("does not depend on the process", () => {
    const child = join(import.meta.dirname, "Child.ts")
    const hash = () => execFileSync(process.execPath, ["--conditions=tidemark-source", child], { encoding: "utf8" })
    const hashes = hash()
    assert.match(hashes, /^([0-9a-f]{16}\n){9}$/)
    assert.strictEqual(hash(), hashes)
  })
})

it.sim("a sound program passes", { seeds: 20, faults: Faults.mild }, Programs.store)

describe("it.sim", () => {
  it("registers a test under its name, with time for many seeds", () => {
    const registered: Array<readonly [string, number | undefined]> = []
    const fake: SimulationTest.It = (name, options) => registered.push([name, options.timeout])
    SimulationTest.extend(fake).sim("one", {}, Effect.void)
    SimulationTest.extend(fake).sim("two", { timeout: 5 }, Effect.void)
    assert.deepStrictEqual(registered, [["one", 600_000], ["two", 5]])
  })

  it("fails with the command that runs the test again", async () => {
    let run = () => Promise.resolve()
    SimulationTest.extend((_name: string, _options: object, test: () => Promise<void>) => void (run = test))
      .sim("it \"fails\"", { seeds: 1 }, Effect.fail("always"))
    const error = await run().then(() => undefined, (error: Error) => error)
    assert.match(error!.message, /\nreplay: TIDEMARK_REPLAY=0\S* npx vitest run -t /)
    assert.isTrue(error!.message.endsWith(`-t ${JSON.stringify("it \"fails\"")}`))
  })
})
