import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Layer, Random } from "effect"
import * as PersistClient from "../../src/client/PersistClient.ts"
import * as Prng from "../../src/testing/Prng.ts"
import * as Update from "../../src/Update.ts"
import { directory } from "../node/Temporary.ts"
import * as Transactions from "../tables/Transactions.ts"
import type * as Faulty from "../utils/Faulty.ts"
import * as Store from "../utils/Store.ts"
import * as Images from "./Images.ts"
import * as PowerFailures from "./PowerFailures.ts"
import * as Recorder from "./Recorder.ts"

// Transactions on tables, and a collection beside them, on files: the directory after every operation on them.
// TIDEMARK_CRASHES=all: more transactions, and more of what may be left.

const { isLong } = PowerFailures
const rounds = isLong ? 8 : 3

/** What is known of the replies: so many beginnings and ends of transactions, and so many appends begun and ended. */
interface Note {
  readonly events: number
  readonly offered: number
  readonly acknowledged: number
}

type Tables = Transactions.Left | Transactions.Right | PersistClient.PersistClient

const withTables = <A, E>(storage: Faulty.Storage, program: Effect.Effect<A, E, Tables>) =>
  Effect.provide(
    program,
    Layer.fresh(Transactions.layer).pipe(
      Layer.provideMerge(PersistClient.layer(Store.tiny)),
      Layer.provide(Layer.succeedContext(storage))
    )
  )

const beside = Effect.flatMap(PersistClient.PersistClient, (client) => client.createOrLoad("beside", Store.text))

const keyOf = (n: number): string => `k${n % 5}`

/** Every event of transactions, some of them at once, with appends and maintenance between them. */
const recorded = Effect.fnUntraced(function*(account: Transactions.Account) {
  const parent = yield* directory
  return yield* Store.inScope(Effect.gen(function*() {
    const { events } = yield* Recorder.record(parent)
    const storage = yield* PowerFailures.open(parent)
    const random = yield* Random.withSeed(Random.Random, "power")
    let [offered, acknowledged] = [0, 0]
    const noted = () => events.push({ _tag: "note", note: { events: account.length, offered, acknowledged } })
    account.onChange = noted
    const append = Effect.gen(function*() {
      const { writer } = yield* beside
      offered++
      noted()
      yield* writer.append([Update.insert(keyOf(offered), String(offered), offered)])
      acknowledged++
      noted()
    })
    const transact = Transactions.transact(account, random)
    yield* withTables(
      storage,
      Effect.gen(function*() {
        const client = yield* PersistClient.PersistClient
        for (let round = 0; round < rounds; round++) {
          yield* Effect.all([transact, append, transact], { concurrency: "unbounded", discard: true })
          yield* append
          yield* client.maintain
        }
      })
    )
    return events
  }))
})

/** The collection has a beginning of what was appended to it, with all that was acknowledged. */
const judgeBeside = Effect.fnUntraced(function*({ acknowledged, offered }: Note) {
  const { reader } = yield* beside
  const found = yield* Store.contents(reader)
  assert.isAtLeast(found.length, acknowledged)
  assert.isAtMost(found.length, offered)
  const expected = Array.from({ length: found.length }, (_, i) => [keyOf(i + 1), String(i + 1), 1])
  assert.deepStrictEqual(found.map((row) => [...row]).toSorted(byText), expected.toSorted(byText))
})

const byText = (a: ReadonlyArray<unknown>, b: ReadonlyArray<unknown>): number => String(a) < String(b) ? -1 : 1

/** The store is opened, and goes on; then it is opened once more. */
const judge = (account: Transactions.Account) => (opening: PowerFailures.Opening, note: Note) => {
  const known = account.after(note.events)
  const opened = (program: Effect.Effect<void, unknown, Tables>) =>
    Store.inScope(Effect.flatMap(opening, (storage) => withTables(storage, program)))
  const judged = Effect.andThen(judgeBeside(note), Transactions.judge(known))
  const transacted = Effect.gen(function*() {
    const random = yield* Random.withSeed(Random.Random, "goes on")
    yield* Transactions.transact(known, random)
    yield* Effect.flatMap(PersistClient.PersistClient, (client) => client.maintain)
  })
  return Effect.andThen(opened(Effect.andThen(judged, transacted)), opened(judged))
}

/** The short form tries fewer moments, and fewer ways of each. */
const survivals = (machine: Images.Machine, at: number): ReadonlyArray<Images.Survival> => {
  if (isLong) return PowerFailures.survivals(machine, at)
  if (!machine.isJournaled) return at % 4 === 0 ? [Images.nothing] : []
  return at % 2 === 0 ? [Images.nothing, Images.random(Prng.make(at))] : []
}

describe("crash enumeration of tables on files", { timeout: isLong ? 3_600_000 : 1_200_000 }, () => {
  it.live("the directory after operations of transactions, with a collection beside them", () =>
    Effect.gen(function*() {
      const account = new Transactions.Account()
      const events = yield* recorded(account)
      assert.strictEqual(account.count("committed"), 2 * rounds)
      const note: Note = { events: 0, offered: 0, acknowledged: 0 }
      const count = yield* PowerFailures.judgeAll({
        initial: new Map(),
        events,
        note,
        survivals,
        judge: judge(account)
      })
      assert.isAbove(count, 50)
    }))

  it.live("would find it if what is acknowledged were not flushed", () =>
    Effect.gen(function*() {
      const account = new Transactions.Account()
      const recording = yield* recorded(account)
      const events = recording.filter(({ _tag }) => _tag !== "flush")
      const note: Note = { events: 0, offered: 0, acknowledged: 0 }
      const exit = yield* Effect.exit(
        PowerFailures.judgeAll({ initial: new Map(), events, note, survivals, judge: judge(account) })
      )
      assert.match(Exit.isFailure(exit) ? Cause.pretty(exit.cause) : "all was well", /after event \d+ of \d+/)
    }))
})
