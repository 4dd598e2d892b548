import * as PgConnection from "@effect/sql-pg/PgConnection"
import { afterAll, assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Fiber, Redacted, Schedule, Stream } from "effect"
import { Blob, Log, type PersistClient, Update } from "tidemark"
import * as Prng from "../../src/testing/Prng.ts"
import * as Store from "../utils/Store.ts"
import * as Proxy from "./Proxy.ts"
import { query, server, terminate } from "./Server.ts"
import { open } from "./Stores.ts"

const postgres = await server()
afterAll(() => postgres?.remove())

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

const tableOf = (url: string, table: string): string => `${new URL(url).searchParams.get("schema")}.${table}`

/** Keeps everybody else from appending and acquiring, until the scope closes or the effect that it gives has run. */
const holdRow = Effect.fnUntraced(function*(url: string) {
  const connection = yield* PgConnection.make({ url: Redacted.make(url) })
  yield* connection.query("BEGIN")
  yield* connection.query(`SELECT 1 FROM ${tableOf(url, "log")} FOR UPDATE`)
  return Effect.asVoid(connection.query("COMMIT"))
})

/** Waits until so many sessions wait for a row that is held. */
const waiting = (url: string, count: number) =>
  query(
    url,
    `SELECT 1 FROM pg_stat_activity
     WHERE application_name = 'tidemark' AND wait_event_type = 'Lock' AND query LIKE '%${tableOf(url, "log")}%'`
  ).pipe(
    Effect.filterOrFail((rows) => rows.length >= count),
    Effect.retry({ schedule: Schedule.spaced("10 millis"), times: 1_000 })
  )

describe.skipIf(postgres === undefined)("connections that break", () => {
  it.live("in the middle of an append leave it Indeterminate, and the writer unusable", () =>
    Effect.gen(function*() {
      const url = postgres!.newStore()
      const log = Context.get(yield* open(url), Log.Log)
      const writer = yield* log.acquire
      yield* writer.append(0, [bytes("a")])
      const release = yield* holdRow(url)
      const append = yield* Effect.forkChild(Effect.flip(writer.append(1, [bytes("b")])))
      yield* waiting(url, 1)
      yield* terminate(url)
      assert.strictEqual((yield* Fiber.join(append))._tag, "Indeterminate")
      yield* release
      assert.strictEqual((yield* Effect.flip(writer.append(1, [bytes("c")])))._tag, "Unavailable")
      assert.deepStrictEqual((yield* log.acquire).bounds, { lower: 0, upper: 1 })
    }))

  it.live("hide an append that happens later: the client finds it by its nonce", () =>
    Effect.gen(function*() {
      const url = postgres!.newStore()
      const proxy = yield* Proxy.make(postgres!)
      const storage = yield* open(proxy.through(url))
      const persist = yield* Store.client(storage, { ...Store.quiet, timeout: "20 seconds" })
      const { writer } = yield* persist.createOrLoad("rows", Store.text)
      yield* writer.append([Update.insert("before", "", 0)])
      const release = yield* holdRow(url)
      const writing = yield* Effect.forkChild(writer.append([Update.insert("unknown", "", 0)]))
      yield* waiting(url, 1)
      yield* proxy.cut
      // The append still waits, and behind it the acquisition that is to tell what became of it.
      yield* waiting(url, 2)
      yield* release
      yield* Fiber.join(writing)
      yield* writer.append([Update.insert("after", "", 0)])
      const { reader } = yield* (yield* Store.follower(yield* open(url))).load("rows", Store.text)
      assert.deepStrictEqual((yield* Store.contents(reader)).map(([key]) => key).toSorted(), [
        "after",
        "before",
        "unknown"
      ])
    }))

  it.live("hide an acquisition: the epoch is raised once for it", () =>
    Effect.gen(function*() {
      const url = postgres!.newStore()
      const proxy = yield* Proxy.make(postgres!)
      const log = Context.get(yield* open(proxy.through(url)), Log.Log)
      const { epoch } = yield* Effect.scoped(log.acquire)
      const release = yield* holdRow(url)
      const acquiring = yield* Effect.forkScoped(log.acquire)
      yield* waiting(url, 1)
      yield* proxy.cut
      yield* waiting(url, 2)
      yield* release
      const writer = yield* Fiber.join(acquiring)
      assert.strictEqual(writer.epoch, epoch + 1)
      yield* writer.append(0, [bytes("a")])
    }))
})

/** Everything that can happen to a store happens soon, and maintenance goes on all the time. */
const busy: PersistClient.Options = {
  ...Store.tiny,
  maintenance: Schedule.spaced("10 millis"),
  retry: undefined
}

/** The replies to writers, by their rows. */
const makeRecord = () => {
  const acknowledged = new Set<string>()
  const refused = new Set<string>()
  let rows = 0
  /** Writes a few rows, and notes what became of them. */
  const write = Effect.fnUntraced(
    function*(
      handle: {
        readonly append: (
          rows: ReadonlyArray<Update.Update<string, string>>
        ) => Effect.Effect<unknown, { readonly _tag: string }>
      },
      random: Prng.Prng
    ) {
      const keys = Array.from({ length: 1 + random.int(8) }, () => `key ${rows++}`)
      const exit = yield* Effect.exit(handle.append(keys.map((key) => Update.insert(key, "value", 0))))
      const delivered = Exit.isSuccess(exit) ? acknowledged : refused
      const failure = Exit.findErrorOption(exit)
      if (failure._tag === "None" || failure.value._tag === "Unavailable" || failure.value._tag === "RuntimeShutdown") {
        for (const key of keys) delivered.add(key)
      }
    }
  )
  const judge = Effect.fnUntraced(function*(url: string) {
    const { reader } = yield* (yield* Store.follower(yield* open(url))).load("rows", Store.text)
    // The writer goes on compacting: a follower may have to read anew.
    const found = yield* Effect.retry(Store.contents(reader), {
      while: ({ _tag }) => _tag === "Unavailable",
      times: 100
    })
    const multiplicities = new Map(found.map(([key, , multiplicity]) => [key, multiplicity]))
    assert.deepStrictEqual([...acknowledged].filter((key) => multiplicities.get(key) !== 1), [], "acknowledged")
    assert.deepStrictEqual([...refused].filter((key) => multiplicities.has(key)), [], "refused")
    assert.deepStrictEqual(found.filter(([, , multiplicity]) => multiplicity !== 1), [], "more than once")
  })
  return { acknowledged, write, judge }
}

describe.skipIf(postgres === undefined)("a client", () => {
  it.live.each([1, 2, 3])(
    "keeps what it acknowledged, once, while its sessions are ended: seed %i",
    (seed) =>
      Effect.gen(function*() {
        const random = Prng.make(seed)
        const url = postgres!.newStore()
        const record = makeRecord()
        const persist = yield* Store.client(yield* open(url), busy)
        const { writer } = yield* persist.createOrLoad("rows", Store.text)
        let ended = 0
        const kill = Effect.suspend(() => Effect.sleep(`${random.int(30)} millis`)).pipe(
          Effect.andThen(terminate(url)),
          Effect.map(({ length }) => ended += length)
        )
        const killing = yield* Effect.forkChild(Effect.forever(kill))
        for (let round = 0; round < 60; round++) {
          yield* Effect.forEach([1, 2, 3, 4], () => record.write(writer, random), { concurrency: "unbounded" })
        }
        yield* Fiber.interrupt(killing)
        yield* persist.sync
        yield* record.judge(url)
        assert.isAbove(record.acknowledged.size, 100)
        assert.isAbove(ended, 10)
      }),
    120_000
  )

  it.live(
    "keeps what it acknowledged, once, while Postgres itself is stopped and started again",
    () =>
      Effect.gen(function*() {
        const random = Prng.make(7)
        const url = postgres!.newStore()
        const record = makeRecord()
        const persist = yield* Store.client(yield* open(url), busy)
        const { writer } = yield* persist.createOrLoad("rows", Store.text)
        let isGoingOn = true
        // While Postgres is away, each write fails at once.
        const writing = Effect.andThen(record.write(writer, random), Effect.sleep("1 millis"))
        const writers = yield* Effect.forkChild(
          Effect.forEach([1, 2, 3, 4], () => Effect.repeat(writing, { while: () => isGoingOn }), {
            concurrency: "unbounded"
          })
        )
        for (let round = 0; round < 4; round++) {
          const before = record.acknowledged.size
          yield* Effect.suspend(() => record.acknowledged.size > before + 50 ? Effect.void : Effect.fail("too few"))
            .pipe(Effect.retry({ schedule: Schedule.spaced("10 millis"), times: 3_000 }))
          yield* Effect.promise(() => postgres!.stopImmediately())
          yield* Effect.sleep(`${random.int(300)} millis`)
          yield* Effect.promise(() => postgres!.start())
        }
        isGoingOn = false
        yield* Fiber.join(writers)
        // The circuit may still be open.
        yield* Effect.retry(persist.sync, { schedule: Schedule.spaced("50 millis"), times: 200 })
        yield* record.judge(url)
      }),
    120_000
  )
})

describe.skipIf(postgres === undefined)("two writers", () => {
  it.live("that take the log from each other append in one order, and lose nothing that was acknowledged", () =>
    Effect.gen(function*() {
      const url = postgres!.newStore()
      const delivered: Array<{ readonly position: number; readonly text: string }> = []
      const refusals = new Set<string>()
      const contend = Effect.fnUntraced(function*(name: string) {
        const log = Context.get(yield* open(url), Log.Log)
        for (let round = 0; round < 15; round++) {
          const writer = yield* log.acquire
          let position = writer.bounds.upper
          for (let i = 0; i < 10; i++) {
            const text = `${name} ${round} ${i}`
            const exit = yield* Effect.exit(writer.append(position, [bytes(text)]))
            if (Exit.isFailure(exit)) {
              const failure = Exit.findErrorOption(exit)
              refusals.add(failure._tag === "Some" ? failure.value._tag : "a defect")
              break
            }
            delivered.push({ position, text })
            position = exit.value
          }
        }
      })
      yield* Effect.forEach(["a", "b", "c"], contend, { concurrency: "unbounded" })
      const log = Context.get(yield* open(url), Log.Log)
      const entries = yield* Stream.runCollect(log.read(0))
      assert.deepStrictEqual(
        entries.map((entry) => ({ position: entry.position, text: new TextDecoder().decode(entry.bytes) })),
        delivered.toSorted((a, b) => a.position - b.position)
      )
      assert.deepStrictEqual(entries.filter(({ epoch }, i) => i > 0 && epoch < entries[i - 1]!.epoch), [])
      assert.deepStrictEqual([...refusals], ["Fenced"])
      assert.deepStrictEqual(yield* Stream.runCollect(log.verify), [])
    }))
})

describe.skipIf(postgres === undefined)("truncation", () => {
  it.live("deletes what it forgets, in many statements, and what one before it has left", () =>
    Effect.gen(function*() {
      const url = postgres!.newStore()
      const storage = yield* open(url)
      const writer = yield* Context.get(storage, Log.Log).acquire
      yield* writer.append(0, Array.from({ length: 3_500 }, (_, i) => bytes(`${i}`)))
      const count = Effect.map(query(url, `SELECT count(*)::int AS n FROM ${tableOf(url, "entries")}`), ([row]) =>
        row?.["n"])
      // As if it had been interrupted after the first of its statements.
      yield* query(url, `UPDATE ${tableOf(url, "log")} SET lower = 1200`)
      assert.strictEqual(yield* count, 3_500)
      yield* writer.truncate(1_000)
      assert.strictEqual(yield* count, 2_300)
      yield* writer.truncate(3_400)
      assert.strictEqual(yield* count, 100)
      yield* Context.get(storage, Blob.Blob).put("a", bytes("x"))
    }))
})
