import { assert, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Layer, Option, Random, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as PersistClient from "../../src/client/PersistClient.ts"
import * as Table from "../../src/tables/Table.ts"
import * as Store from "../utils/Store.ts"

// Transactions over two tables, on storage that fails. As each writes a value of its own, the histories of the keys say which
// have committed, and when. In this order every one must have read what the ones before it had written: they are as if they had
// run one after the other. What failed for certain must not be there, and what was acknowledged must.

const options = { key: Schema.String, value: Schema.Int, history: "all" } as const

class Left extends Table.Service<Left>()("left", options) {}
class Right extends Table.Service<Right>()("right", options) {}

interface Attempted {
  readonly id: number
  /** What its last attempt has read, by table and key. */
  reads: Map<string, number | undefined>
  writes: Array<string>
  outcome: "committed" | "failed" | "unknown"
}

const names = ["a", "b", "c"]

const layers = Layer.merge(Left.layer, Right.layer)

/** One transaction: a few reads, of keys or of everything, and then writes of its own number. */
const transact = Effect.fnUntraced(function*(id: number, random: typeof Random.Random.Service) {
  const tables = [yield* Left, yield* Right] as const
  const pick = () => Math.floor(random.nextDoubleUnsafe() * 100)
  const [plan, target] = [Array.from({ length: 4 }, pick), pick()]
  const attempted: Attempted = { id, reads: new Map(), writes: [], outcome: "unknown" }
  const body = Effect.gen(function*() {
    attempted.reads = new Map()
    attempted.writes = []
    for (const choice of plan) {
      const table = tables[choice % 2]!
      if (choice % 7 === 0) {
        const rows = new Map(yield* Stream.runCollect(table.range()))
        for (const name of names) attempted.reads.set(`${table.name} ${name}`, rows.get(name))
      } else {
        const name = names[choice % 3]!
        attempted.reads.set(`${table.name} ${name}`, Option.getOrUndefined(yield* table.get(name)))
      }
      yield* Effect.yieldNow
    }
    for (const table of target % 3 === 0 ? tables : [tables[target % 2]!]) {
      const name = names[target % 3]!
      attempted.writes.push(`${table.name} ${name}`)
      yield* table.set(name, id)
    }
  })
  const exit = yield* Effect.exit(Table.transaction(body))
  if (Exit.isSuccess(exit)) attempted.outcome = "committed"
  else {
    const error = Option.getOrUndefined(Exit.findErrorOption(exit))
    attempted.outcome = error?._tag === "Indeterminate" ? "unknown" : "failed"
  }
  return attempted
})

/** What every key was given, by time. */
const written = Effect.gen(function*() {
  const found: Array<{ readonly key: string; readonly time: number; readonly id: number }> = []
  for (const table of [yield* Left, yield* Right]) {
    for (const name of names) {
      for (const { time, value } of yield* Stream.runCollect(table.history(name))) {
        if (Option.isSome(value)) found.push({ key: `${table.name} ${name}`, time, id: value.value })
      }
    }
  }
  return found.toSorted((a, b) => a.time - b.time)
})

/** Replays the commits in the order of their times. */
const judge = (attempts: ReadonlyArray<Attempted>, found: Effect.Success<typeof written>): void => {
  const times = new Map<number, number>()
  for (const { id, time } of found) {
    assert.strictEqual(times.get(id) ?? time, time, "one transaction, one time")
    times.set(id, time)
  }
  assert.strictEqual(new Set(times.values()).size, times.size, "one time, one transaction")
  for (const { id, outcome } of attempts) {
    if (outcome !== "unknown") {
      assert.strictEqual(times.has(id), outcome === "committed", `transaction ${id} ${outcome}`)
    }
  }
  const state = new Map<string, number>()
  for (const [id] of [...times].toSorted(([, a], [, b]) => a - b)) {
    const { reads, writes } = attempts.find((each) => each.id === id)!
    for (const [key, value] of reads) assert.strictEqual(state.get(key), value, `transaction ${id} has read ${key}`)
    for (const key of writes) state.set(key, id)
  }
}

for (const seed of [1, 2, 3, 4]) {
  it.effect(`transactions are as if they had run one after the other, on storage that fails (seed ${seed})`, () =>
    Effect.gen(function*() {
      const random = yield* Random.Random
      const { control, storage } = yield* Store.faulty
      const opened = layers.pipe(
        Layer.provideMerge(PersistClient.layer(Store.tiny)),
        Layer.provide(Layer.succeedContext(storage))
      )
      const attempts: Array<Attempted> = []
      let id = 0
      // Three lives: the tables are opened anew each time.
      for (let life = 0; life < 3; life++) {
        const run = Effect.gen(function*() {
          const client = yield* PersistClient.PersistClient
          const misfortune = yield* Effect.forkChild(Effect.forever(Effect.gen(function*() {
            const choice = Math.floor(random.nextDoubleUnsafe() * 40)
            if (choice === 0) control.nextAppend = "applied"
            control.isDown = choice === 1
            yield* Effect.ignore(choice === 2 ? client.maintain : Effect.void)
            yield* TestClock.adjust("5 millis")
          })))
          const all = yield* Effect.forEach(Array.from({ length: 60 }), () => transact(++id, random), {
            concurrency: 6
          })
          attempts.push(...all)
          yield* Fiber.interrupt(misfortune)
          control.isDown = false
          control.nextAppend = undefined
          judge(attempts, yield* written)
        })
        yield* Effect.provide(run, opened)
        yield* TestClock.setTime(life % 2 === 0 ? 1_000_000 : 10)
      }
      assert.isAbove(attempts.filter(({ outcome }) => outcome === "committed").length, 20)
      yield* Effect.provide(Effect.map(written, (found) => judge(attempts, found)), opened)
    }).pipe(Random.withSeed(`serial ${seed}`)))
}
