import { afterAll, assert, describe, it } from "@effect/vitest"
import { Context, Effect, Redacted, Stream } from "effect"
import { Blob, Log } from "tidemark"
import { PostgresStorage } from "tidemark/postgres"
import { query, server } from "./Server.ts"
import { open } from "./Stores.ts"

const postgres = await server()
afterAll(() => postgres?.remove())

const schemaOf = (url: string): string => new URL(url).searchParams.get("schema")!

const logOf = (url: string) => Effect.map(open(url), (storage) => Context.get(storage, Log.Log))

/** What acquiring the log fails with. */
const refusal = (url: string) => Effect.flatMap(logOf(url), (log) => Effect.flip(log.acquire))

describe.skipIf(postgres === undefined)("a place that is no store", () => {
  it.live("has no log to read, and no blobs", () =>
    Effect.gen(function*() {
      const storage = yield* open(postgres!.newStore())
      const log = Context.get(storage, Log.Log)
      assert.strictEqual((yield* Effect.flip(log.bounds))._tag, "NotAStore")
      assert.strictEqual((yield* Effect.flip(Stream.runDrain(log.read(0))))._tag, "NotAStore")
      assert.deepStrictEqual(yield* Stream.runCollect(Context.get(storage, Blob.Blob).list("")), [])
      yield* Context.get(storage, Blob.Blob).delete("a")
    }))

  it.live("with tables of something else is left alone", () =>
    Effect.gen(function*() {
      const url = postgres!.newStore()
      yield* query(url, `CREATE SCHEMA ${schemaOf(url)}`)
      yield* query(url, `CREATE TABLE ${schemaOf(url)}.entries (name text)`)
      assert.strictEqual((yield* refusal(url))._tag, "NotAStore")
      const tables = yield* query(
        url,
        `SELECT relname FROM pg_class WHERE relnamespace = '${schemaOf(url)}'::regnamespace`
      )
      assert.deepStrictEqual(tables, [{ relname: "entries" }])
    }))

  it.live("is a database that is not there, or a server that does not answer", () =>
    Effect.gen(function*() {
      assert.strictEqual((yield* refusal(postgres!.url.replace(/postgres$/, "nowhere")))._tag, "NotAStore")
      const error = yield* refusal("postgres://app:secret@127.0.0.1:1/app")
      assert.strictEqual(error._tag, "Unavailable")
      assert.notInclude(error.message, "secret")
    }))
})

describe.skipIf(postgres === undefined)("a store", () => {
  it.live("of a newer format is refused, to read and to write, and left alone", () =>
    Effect.gen(function*() {
      const url = postgres!.newStore()
      yield* Effect.scoped(Effect.flatMap(logOf(url), (log) => log.acquire))
      yield* query(url, `UPDATE ${schemaOf(url)}.log SET format = 99`)
      const refused: object = { _tag: "UnsupportedFormat", found: 99, supported: 2 }
      assert.deepInclude(yield* refusal(url), refused)
      const log = yield* logOf(url)
      assert.deepInclude(yield* Effect.flip(log.bounds), refused)
      assert.deepInclude(yield* Effect.flip(Stream.runDrain(log.read(0))), refused)
      assert.deepStrictEqual(yield* query(url, `SELECT format, epoch::int FROM ${schemaOf(url)}.log`), [{
        format: 99,
        epoch: 1
      }])
    }))

  it.live("whose server acknowledges before it is durable is refused", () =>
    Effect.gen(function*() {
      const error = yield* refusal(`${postgres!.newStore()}&options=-csynchronous_commit%3Doff`)
      assert.strictEqual(error._tag, "UnsafeStore")
      assert.include(error.message, "synchronous_commit")
    }))

  it.live("whose schema has a name that would need quotes is a mistake in the program", () =>
    Effect.gen(function*() {
      const exit = yield* Effect.exit(open(postgres!.url, { schema: "x; drop" }))
      assert.isTrue(exit._tag === "Failure" && exit.cause.reasons.every(({ _tag }) => _tag === "Die"))
    }))

  it.live("names its place without the password", () =>
    Effect.gen(function*() {
      const url = Redacted.make("postgres://app:secret@db.example.org:5433/app?sslmode=require")
      const storage = yield* Effect.scoped(
        Effect.provide(Effect.context<Log.Log | Blob.Blob>(), PostgresStorage.layer({ url, schema: "orders" }))
      )
      for (const { location } of [Context.get(storage, Log.Log), Context.get(storage, Blob.Blob)]) {
        assert.strictEqual(location, "postgres://db.example.org:5433/app?schema=orders")
      }
    }))

  it.live("that was damaged says where: bytes that were changed, an entry that was removed, one behind the end", () =>
    Effect.gen(function*() {
      const damages = [
        ["UPDATE entries SET bytes = 'x' WHERE position = 3", 3],
        ["DELETE FROM entries WHERE position = 4", 4],
        ["DELETE FROM entries WHERE position = 9", 9],
        ["UPDATE log SET upper = 11", 10]
      ] as const
      for (const [damage, position] of damages) {
        const url = postgres!.newStore()
        const log = yield* logOf(url)
        const writer = yield* log.acquire
        yield* writer.append(0, Array.from({ length: 10 }, (_, i) => new Uint8Array([i])))
        assert.deepStrictEqual(yield* Stream.runCollect(log.verify), [])
        yield* query(url, damage.replace(/(entries|log)/, `${schemaOf(url)}.$1`))
        const [problem, ...others] = yield* Stream.runCollect(log.verify)
        assert.deepStrictEqual(others, [])
        assert.include(problem?.location, `log position ${position}`)
        assert.strictEqual((yield* Effect.flip(Stream.runDrain(log.read(0))))._tag, "Corrupt")
      }
    }))

  it.live("that was put back to an older state refuses the writer, who would write into the past", () =>
    Effect.gen(function*() {
      const url = postgres!.newStore()
      const writer = yield* Effect.flatMap(logOf(url), (log) => log.acquire)
      yield* writer.append(0, [new Uint8Array([1]), new Uint8Array([2])])
      yield* query(url, `UPDATE ${schemaOf(url)}.log SET upper = 1`)
      assert.strictEqual((yield* Effect.flip(writer.append(2, [new Uint8Array([3])])))._tag, "Corrupt")
    }))
})
