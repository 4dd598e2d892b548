import { afterAll, assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Context, Effect, Fiber, Stream } from "effect"
import { chownSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Blob, Log, Update } from "tidemark"
import * as Settings from "../../src/postgres/Settings.ts"
import * as Store from "../utils/Store.ts"
import * as Pooler from "./Pooler.ts"
import { query, server } from "./Server.ts"
import { open } from "./Stores.ts"

const postgres = await server()
afterAll(() => postgres?.remove())

const fixture = (name: string): string => join(import.meta.dirname, "tls", name)

/** Writes a file that the server's user alone may read. */
const place = (data: string, name: string, content: string | Buffer): void => {
  const path = join(data, name)
  writeFileSync(path, content, { mode: 0o600 })
  const { gid, uid } = statSync(data)
  if (process.getuid?.() !== uid) chownSync(path, uid, gid)
}

/** A server that demands a password of everybody but its owner, and offers TLS. */
const strict = Effect.gen(function*() {
  const { url } = postgres!
  const [row] = yield* query(url, `SELECT current_setting('data_directory') AS data`)
  const data = String(row?.["data"])
  place(data, "test.pem", readFileSync(fixture("server.pem")))
  place(data, "test.key", readFileSync(fixture("server.key")))
  place(data, "pg_hba.conf", "host all tidemark all trust\nhost all app,reader all scram-sha-256\n")
  yield* query(url, `ALTER SYSTEM SET ssl_cert_file = 'test.pem'`)
  yield* query(url, `ALTER SYSTEM SET ssl_key_file = 'test.key'`)
  yield* query(url, `ALTER SYSTEM SET ssl = on`)
  yield* query(url, `CREATE ROLE app LOGIN PASSWORD 'secret'`)
  yield* query(url, `SELECT pg_reload_conf()`)
  yield* Effect.sleep("300 millis")
})

if (postgres !== undefined) await Effect.runPromise(strict)

const as = (user: string, url = postgres!.newStore()): string => url.replace("tidemark@127.0.0.1", `${user}@localhost`)

const env = (variables: Record<string, string>) => ConfigProvider.layer(ConfigProvider.fromEnv({ env: variables }))

/** What acquiring the log fails with; undefined where it does not. */
const refusal = (url: string, variables: Record<string, string> = {}) =>
  Effect.flatMap(
    Effect.provide(open(url), env(variables)),
    (storage) => Effect.result(Context.get(storage, Log.Log).acquire)
  ).pipe(
    Effect.scoped,
    Effect.map((result) => result._tag === "Failure" ? result.failure : undefined)
  )

describe.skipIf(postgres === undefined)("a database that denies access", () => {
  it.live("says what to correct: a password, an unknown role, a privilege", () =>
    Effect.gen(function*() {
      for (const user of ["app:wrong", "app", "nobody-knows:secret"]) {
        const error = yield* refusal(as(user))
        assert.strictEqual(error?._tag, "AccessDenied", user)
        assert.include(error?.message, "PGPASSWORD")
        assert.notInclude(error?.message, "try again")
        assert.notInclude(error?.message, "wrong")
      }
      const error = yield* refusal(as("app:secret"))
      assert.strictEqual(error?._tag, "AccessDenied")
      assert.include(error?.message, "grant it CREATE on the database")
    }))

  it.live("says so to a reader without rights on the tables, and to a writer on a server that only reads", () =>
    Effect.gen(function*() {
      const url = postgres!.newStore()
      yield* Effect.scoped(Effect.flatMap(open(url), (storage) => Context.get(storage, Log.Log).acquire))
      const storage = yield* open(as("app:secret", url))
      const log = Context.get(storage, Log.Log)
      const answers = [
        yield* Effect.flip(log.bounds),
        yield* Effect.flip(Stream.runDrain(log.read(0))),
        yield* Effect.flip(Context.get(storage, Blob.Blob).put("a", new Uint8Array(1)))
      ]
      assert.deepStrictEqual(answers.map(({ _tag }) => _tag), ["AccessDenied", "AccessDenied", "AccessDenied"])
      const readOnly = yield* refusal(`${url}&options=-cdefault_transaction_read_only%3Don`)
      assert.strictEqual(readOnly?._tag, "AccessDenied")
      assert.include(readOnly?.message, "primary")
    }))
})

describe.skipIf(postgres === undefined)("the environment", () => {
  it.live("says what the URL leaves out", () =>
    Effect.gen(function*() {
      const url = postgres!.newStore()
      const schema = new URL(url).searchParams.get("schema")!
      yield* query(url, `CREATE SCHEMA ${schema} AUTHORIZATION app`)
      const { port } = new URL(url)
      const variables = { PGHOST: "localhost", PGPORT: port, PGDATABASE: "postgres", PGUSER: "app" }
      const bare = `postgres:///?schema=${schema}`
      assert.strictEqual((yield* refusal(bare, { ...variables, PGPASSWORD: "wrong" }))?._tag, "AccessDenied")
      assert.strictEqual(yield* refusal(bare, { ...variables, PGPASSWORD: "secret" }), undefined)
      // The URL goes first.
      assert.strictEqual(yield* refusal(as("app:secret", url), { PGPASSWORD: "wrong", PGUSER: "other" }), undefined)
    }))
})

describe.skipIf(postgres === undefined)("TLS", () => {
  const tls = (parameters: string, url = postgres!.newStore()) => `${as("tidemark", url)}&${parameters}`
  const trusted = `sslrootcert=${encodeURIComponent(fixture("ca.pem"))}`

  it.live("trusts the authority that is named, and no other", () =>
    Effect.gen(function*() {
      for (const parameters of [trusted, `${trusted}&sslmode=verify-full`, `${trusted}&sslmode=require`]) {
        assert.strictEqual(yield* refusal(tls(parameters)), undefined)
      }
      assert.strictEqual(yield* refusal(tls("sslmode=no-verify")), undefined)
      assert.strictEqual(yield* refusal(as("tidemark"), { PGSSLROOTCERT: fixture("ca.pem") }), undefined)
      for (const parameters of ["sslmode=require", "sslmode=verify-full", "sslmode=prefer", "sslrootcert=system"]) {
        const error = yield* refusal(tls(parameters))
        assert.strictEqual(error?._tag, "AccessDenied", parameters)
        assert.include(error?.message, "sslrootcert")
      }
    }))

  it.live("checks the name of the host, where the mode does", () =>
    Effect.gen(function*() {
      const url = postgres!.newStore()
      assert.strictEqual((yield* refusal(`${url}&${trusted}&sslmode=verify-full`))?._tag, "AccessDenied")
      assert.strictEqual(yield* refusal(`${url}&${trusted}&sslmode=verify-ca`), undefined)
    }))

  it.live("is in use: the sessions are encrypted", () =>
    Effect.gen(function*() {
      const url = tls(trusted)
      const storage = yield* open(url)
      yield* Context.get(storage, Log.Log).acquire
      const sessions = yield* query(
        postgres!.url,
        `SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
         WHERE application_name = 'tidemark' AND query LIKE '%${new URL(url).searchParams.get("schema")}%'`
      )
      assert.isNotEmpty(sessions)
      assert.deepStrictEqual(sessions.filter(({ ssl }) => ssl !== true), [])
    }))

  it.live("is refused where the server has none", () =>
    Effect.gen(function*() {
      const plain = yield* Effect.acquireRelease(Effect.promise(() => server()), (other) =>
        Effect.promise(async () => other?.remove()))
      const error = yield* refusal(`${plain!.newStore()}&sslmode=require`)
      assert.strictEqual(error?._tag, "AccessDenied")
      assert.include(error?.message, "offer TLS")
      assert.strictEqual(yield* refusal(`${plain!.newStore()}&sslmode=prefer`), undefined)
    }))
})

describe("settings that would not be honoured", () => {
  it.each<readonly [string, string]>([
    ["sslcrl=x", "sslcrl"],
    ["service=x", "service"],
    ["target_session_attrs=read-write", "target_session_attrs"],
    ["sslmode=enable", "sslmode"],
    ["pooler=yes", "pooler"],
    ["sslrootcert=/nowhere&sslmode=prefer", "sslmode=prefer would not use"],
    ["sslrootcert=/nowhere", "/nowhere"],
    ["sslcert=/nowhere&sslmode=require", "belong together"],
    ["sslcert=/nowhere&sslkey=/nowhere", "no sslmode"]
  ])("are refused: %s", ([parameters, detail]) => {
    const found = String(Settings.of(`postgres://app:secret@db/app?${parameters}`, new Map()))
    assert.include(found, String(detail))
    assert.notInclude(found, "secret")
  })

  it.live("are a NotAStore at the first use", () =>
    Effect.gen(function*() {
      const error = yield* refusal("postgres://app:secret@127.0.0.1:1/app?sslcrl=x")
      assert.strictEqual(error?._tag, "NotAStore")
      assert.include(error?.message, "sslcrl")
    }))
})

describe.skipIf(postgres === undefined)("behind a pooler in transaction mode", () => {
  it.live("a store with pooler=transaction is written, followed and taken over", () =>
    Effect.gen(function*() {
      const url = postgres!.newStore()
      const pooler = yield* Pooler.make(postgres!)
      const pooled = `${pooler.through(url)}&pooler=transaction`
      const { writer } = yield* (yield* Store.client(yield* open(pooled))).createOrLoad("rows", Store.text)
      const { reader } = yield* (yield* Store.follower(yield* open(pooled))).load("rows", Store.text)
      const { events } = yield* reader.listen()
      const received = yield* Effect.forkChild(
        Stream.runCollect(Stream.takeUntil(events, (event) => event._tag === "Progress" && event.frontier === 20))
      )
      for (let time = 0; time < 20; time++) {
        yield* Effect.forEach(
          [1, 2, 3],
          (row) => writer.append([Update.insert(`${time} ${row}`, "value", time)]),
          { concurrency: "unbounded" }
        )
        yield* writer.seal(time + 1)
      }
      const records = (yield* Fiber.join(received)).flatMap((event) =>
        event._tag === "Updates" ? [...event.updates] : []
      )
      assert.strictEqual(records.length, 60)
      const next = yield* Store.client(yield* open(pooled))
      const again = yield* next.createOrLoad("rows", Store.text)
      yield* again.writer.append([Update.insert("after", "", 20)])
      assert.strictEqual((yield* Store.contents(again.reader)).length, 61)
      assert.deepStrictEqual(pooler.leftInSessions, [])
    }), 60_000)
})
