/**
 * Transactions over two tables, an account of the reply to each, and the judge of what a store has in the end.
 *
 * As each transaction writes a value of its own, the histories of the keys say which have committed, and when. In the order
 * of these times every one must have read what the ones before it had written: they are as if they had run one after the
 * other, each after those that had ended before it began. What failed for certain must not be there, and what was
 * acknowledged must; the index has what the table has; and every time can be read.
 */
import { assert } from "@effect/vitest"
import { Effect, Exit, Layer, Option, type Random, Schema, Stream } from "effect"
import type { TransactionTimeout } from "../../src/PersistError.ts"
import * as Table from "../../src/tables/Table.ts"

const options = { key: Schema.String, value: Schema.Int, history: "all" } as const

export class Left extends Table.Service<Left>()("left", { ...options, indexes: { byRest: (n: number) => n % 3 } }) {}
/** Its cache has room for few rows, so that they are dropped while they are being read. */
export class Right extends Table.Service<Right>()("right", { ...options, cacheBytes: 1_000 }) {}

export const layer = Layer.merge(Left.layer, Right.layer)

type State = ReadonlyMap<string, number>

interface Attempted {
  readonly id: number
  /** When it began and ended, in the order of all beginnings and ends. */
  readonly began: number
  ended: number
  /** What its last attempt has read, by table and key. */
  reads: Map<string, number | undefined>
  /** What it gives to each, or that it removes it. */
  writes: Map<string, number | undefined>
  outcome: "committed" | "failed" | "unknown"
}

/** What is known outside of the store, and survives its crashes. */
export class Account {
  readonly attempts: Array<Attempted> = []
  private events = 0
  /** Called after each beginning and end. */
  onChange: () => void = () => {}

  begin(): Attempted {
    const id = this.attempts.length + 1
    const attempted: Attempted = {
      id,
      began: this.events++,
      ended: Infinity,
      reads: new Map(),
      writes: new Map(),
      outcome: "unknown"
    }
    this.attempts.push(attempted)
    this.onChange()
    return attempted
  }

  end(attempted: Attempted, outcome: Attempted["outcome"]): void {
    attempted.ended = this.events++
    attempted.outcome = outcome
    this.onChange()
  }

  /** How many beginnings and ends there were. */
  get length(): number {
    return this.events
  }

  /** What was known after so many of them. */
  after(events: number): Account {
    const known = new Account()
    known.events = events
    for (const attempted of this.attempts) {
      if (attempted.began >= events) continue
      const isOver = attempted.ended < events
      known.attempts.push(isOver ? attempted : { ...attempted, ended: Infinity, outcome: "unknown" })
    }
    return known
  }

  count(outcome: Attempted["outcome"]): number {
    return this.attempts.filter((each) => each.outcome === outcome).length
  }
}

const names = ["a", "b", "c"]

type Tables = readonly [Left["Service"], Right["Service"]]

/** A few reads, of keys or of everything, then a removal perhaps, and then writes of its own number. */
const several = (tables: Tables, pick: () => number, attempted: Attempted) => {
  const [plan, target, removed] = [Array.from({ length: 4 }, pick), pick(), pick()]
  return Table.transaction(Effect.gen(function*() {
    attempted.reads = new Map()
    attempted.writes = new Map()
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
    if (removed % 4 === 0) {
      attempted.writes.set(`left ${names[removed % 3]!}`, undefined)
      yield* tables[0].remove(names[removed % 3]!)
    }
    for (const table of target % 3 === 0 ? tables : [tables[target % 2]!]) {
      const name = names[target % 3]!
      attempted.writes.set(`${table.name} ${name}`, attempted.id)
      yield* table.set(name, attempted.id)
    }
  }))
}

/** One row alone, which is set, or read and changed. */
const one = (tables: Tables, pick: () => number, attempted: Attempted) => {
  const [table, name] = [tables[pick() % 2]!, names[pick() % 3]!]
  const key = `${table.name} ${name}`
  attempted.writes = new Map([[key, attempted.id]])
  if (pick() % 2 === 0) return table.set(name, attempted.id)
  return table.modify(name, (before) => {
    attempted.reads = new Map([[key, Option.getOrUndefined(before)]])
    return Option.some(attempted.id)
  })
}

/** One transaction: over several rows, or of one row alone. */
export const transact = Effect.fnUntraced(function*(account: Account, random: typeof Random.Random.Service) {
  const tables = [yield* Left, yield* Right] as const
  const pick = () => Math.floor(random.nextDoubleUnsafe() * 100)
  const attempted = account.begin()
  const transaction: Effect.Effect<unknown, Table.TableError | TransactionTimeout> = pick() % 3 === 0
    ? one(tables, pick, attempted)
    : several(tables, pick, attempted)
  const exit = yield* Effect.exit(transaction)
  const error = Option.getOrUndefined(Exit.findErrorOption(exit))
  account.end(attempted, Exit.isSuccess(exit) ? "committed" : error?._tag === "Indeterminate" ? "unknown" : "failed")
})

interface Written {
  readonly key: string
  readonly time: number
  /** `undefined` where the key was removed. */
  readonly id: number | undefined
}

/** What every key was given, by time. */
const written = Effect.gen(function*() {
  const found: Array<Written> = []
  for (const table of [yield* Left, yield* Right]) {
    for (const name of names) {
      for (const { time, value } of yield* Stream.runCollect(table.history(name))) {
        found.push({ key: `${table.name} ${name}`, time, id: Option.getOrUndefined(value) })
      }
    }
  }
  return found.toSorted((a, b) => a.time - b.time)
})

/** The times of the transactions that have committed, by their numbers. */
const timesOf = (found: ReadonlyArray<Written>): ReadonlyMap<number, number> => {
  const times = new Map<number, number>()
  for (const { id, time } of found) {
    if (id === undefined) continue
    assert.strictEqual(times.get(id) ?? time, time, "one transaction, one time")
    times.set(id, time)
  }
  assert.strictEqual(new Set(times.values()).size, times.size, "one time, one transaction")
  return times
}

/** Replays the commits in the order of their times. Returns what there was after each. */
const replayed = (
  attempts: ReadonlyArray<Attempted>,
  found: ReadonlyArray<Written>
): ReadonlyMap<number, State> => {
  const times = timesOf(found)
  for (const { id, outcome } of attempts) {
    if (outcome !== "unknown") {
      assert.strictEqual(times.has(id), outcome === "committed", `transaction ${id} ${outcome}`)
    }
  }
  const states = new Map<number, State>()
  const state = new Map<string, number>()
  let latest = -1
  for (const [id, time] of [...times].toSorted(([, a], [, b]) => a - b)) {
    const { began, ended, reads, writes } = attempts[id - 1]!
    assert.isAbove(ended, latest, `transaction ${id} comes after one that began when it had ended`)
    latest = Math.max(latest, began)
    for (const [key, value] of reads) assert.strictEqual(state.get(key), value, `transaction ${id} has read ${key}`)
    for (const [key, value] of writes) {
      if (value === undefined) state.delete(key)
      else state.set(key, value)
    }
    states.set(time, new Map(state))
  }
  const versions = found.map(({ id, key, time }) => [key, id, states.get(time)?.get(key)] as const)
  for (const [key, id, expected] of versions) assert.strictEqual(id, expected, `a version of ${key}`)
  return states
}

/** What both tables have, of now or as of a time. */
const contents = Effect.fnUntraced(function*(time?: number) {
  const state = new Map<string, number>()
  for (const table of [yield* Left, yield* Right]) {
    const rows = time === undefined ? table.range() : table.at(time).range()
    for (const [key, value] of yield* Stream.runCollect(rows)) state.set(`${table.name} ${key}`, value)
  }
  return state
})

/** Judges a store by the replies. */
export const judge = Effect.fnUntraced(function*({ attempts }: Account) {
  const states = replayed(attempts, yield* written)
  const last = [...states.values()].at(-1) ?? new Map<string, number>()
  assert.deepStrictEqual(sorted(yield* contents()), sorted(last))
  for (const [time, state] of [...states].filter((_, i) => i % 7 === 0)) {
    assert.deepStrictEqual(sorted(yield* contents(time)), sorted(state), `as of ${time}`)
  }
  const left = yield* Left
  for (const rest of [0, 1, 2]) {
    const rows = yield* Stream.runCollect(left.byRest(rest))
    const expected = [...last].filter(([key, value]) => key.startsWith("left ") && value % 3 === rest)
    assert.deepStrictEqual(
      sorted(new Map(rows.map(([key, value]) => [`left ${key}`, value]))),
      sorted(new Map(expected))
    )
  }
})

const sorted = (state: State) => [...state].toSorted(([a], [b]) => a < b ? -1 : 1)
