import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import fs from "node:fs"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import * as Proxy from "../postgres/Proxy.ts"
import { query, server } from "../postgres/Server.ts"
import { lines, output, remove, run, temporary } from "./Tool.ts"

const postgres = await server()

let home = ""
beforeAll(() => void (home = temporary()))
afterAll(async () => {
  remove(home)
  await postgres?.remove()
})

const rows = Array.from({ length: 50 }, (_, i) => JSON.stringify({ key: `k${i}`, value: { i }, time: i })).join("\n")

describe("--store", () => {
  it("names a directory as --dir does, and not together with it", async () => {
    const dir = join(home, "files")
    const url = pathToFileURL(dir).href
    await output(["ingest", "orders", "--store", url], { input: rows })
    assert.strictEqual(
      await output(["snapshot", "orders", "--dir", dir, "--updates"]),
      await output(["snapshot", "orders", "--store", url, "--updates"])
    )
    assert.strictEqual((await run(["list", "--store", url, "--dir", dir])).code, 2)
  })

  it("that names nothing is one line, without a password", async () => {
    const { code, err } = await run(["list", "--store", "ftp://user:secret@host/x"])
    assert.strictEqual(code, 1)
    assert.strictEqual(lines(err).length, 1)
    assert.notInclude(err, "secret")
  })
})

/** Backs a store up twice, and restores it as of each, and as of a position between them. */
const backedUp = async (store: ReadonlyArray<string>, place: string) => {
  await output(["ingest", "orders", ...store], { input: `${rows}\n{"seal":50}` })
  const first = JSON.parse(await output(["backup", place, "--json", ...store])) as { readonly position: number }
  const before = await output(["snapshot", "orders", ...store])
  await output(["ingest", "orders", ...store], { input: `{"key":"k0","value":"more","time":50}` })
  await output(["seal", "orders", "51", ...store])
  assert.match(await output(["backup", place, ...store]), /^position \d+ of 1 collection is backed up and verified: /)
  const listed = await output(["backups", place, "--positions", "--verify"])
  assert.include(listed, `can be restored: ${first.position} to `)
  assert.include(listed, "are as they were written")
  const restored = async (...at: ReadonlyArray<string>) => {
    const dir = join(home, `restored-${at.join("")}-${place.replaceAll(/\W/g, "")}`.slice(0, 60))
    assert.match(await output(["restore", place, ...at, "--dir", dir]), /^restored and verified 1 collection/)
    await output(["verify", "--dir", dir])
    return dir
  }
  const newest = await restored()
  assert.strictEqual(
    await output(["snapshot", "orders", "--dir", newest]),
    await output(["snapshot", "orders", ...store])
  )
  assert.strictEqual(await output(["snapshot", "orders", "--dir", await restored("--at", `${first.position}`)]), before)
  const between = await restored("--at", `${first.position + 1}`)
  assert.strictEqual(await output(["snapshot", "orders", "--dir", between]), before)
  assert.strictEqual(lines(await output(["snapshot", "orders", "--updates", "--dir", between])).length, 51)
  for (const wrong of [["--at", "99999"], ["--at", "0"]]) {
    const { code, err } = await run(["restore", place, ...wrong, "--dir", join(home, "wrong")])
    assert.strictEqual(code, 1)
    assert.include(err, "the position to restore")
  }
  const again = await run(["restore", place, "--dir", newest])
  assert.include(again.err, "has a store already")
}

describe("backups", () => {
  it("of a directory go to a directory, and come back as of each position", async () => {
    await backedUp(["--dir", join(home, "backed")], join(home, "backups"))
  })

  it("are found where they are named", async () => {
    assert.strictEqual(await output(["backups", join(home, "nowhere")]), "no backups")
    assert.strictEqual((await run(["restore", join(home, "nowhere"), "--dir", join(home, "x")])).code, 1)
    assert.strictEqual((await run(["backup", join(home, "x"), "--dir", join(home, "nowhere")])).code, 1)
    assert.strictEqual((await run(["backup", "ftp://host/x", "--dir", join(home, "backed")])).code, 1)
  })

  it.skipIf(postgres === undefined)("of a store in Postgres go to a directory, and to Postgres", async () => {
    await backedUp(["--store", postgres!.newStore()], join(home, "from-postgres"))
    await backedUp(["--store", postgres!.newStore()], postgres!.newStore())
  })
})

describe.skipIf(postgres === undefined)("a store in Postgres", () => {
  it("is one for every command, and copied to files and back it is the same", async () => {
    const [first, second] = [postgres!.newStore(), postgres!.newStore()]
    assert.strictEqual((await run(["list", "--store", first])).code, 1)
    await output(["ingest", "orders", "--store", first], { input: `${rows}\n{"seal":50}` })
    await output(["compact", "orders", "--since", "40", "--store", first])
    const contents = await output(["snapshot", "orders", "--store", first])
    assert.strictEqual(lines(contents).length, 50)
    await output(["verify", "--store", first])
    const dir = join(home, "copied")
    assert.include(
      await output(["copy", "--from", first, "--to", pathToFileURL(dir).href]),
      "copied and verified 1 collection"
    )
    await output(["copy", "--from", pathToFileURL(dir).href, "--to", second, "--json"])
    for (const flags of [["--dir", dir], ["--store", second]]) {
      assert.strictEqual(await output(["snapshot", "orders", ...flags]), contents)
    }
    const again = await run(["copy", "--from", first, "--to", second])
    assert.strictEqual(again.code, 1)
    assert.include(again.err, "has a store already")
    const [, schema] = /schema=(\w+)/.exec(second)!
    const last = `position = (SELECT max(position) FROM ${schema}.entries)`
    await Effect.runPromise(query(second, `UPDATE ${schema}.entries SET bytes = '' WHERE ${last}`))
    const damaged = await run(["verify", "--store", second])
    assert.strictEqual(damaged.code, 1)
    assert.match(damaged.out, /^log position \d+: /)
  })

  it.live(
    "takes an ingest to its end, exactly once, while connections are cut again and again",
    () =>
      Effect.gen(function*() {
        const proxy = yield* Proxy.make(postgres!)
        const url = postgres!.newStore()
        const file = join(home, "long.ndjson")
        const total = 20_000
        const text = Array.from({ length: total }, (_, i) => JSON.stringify({ key: i, value: i % 7, time: i >> 7 }))
        fs.writeFileSync(
          file,
          text.flatMap((line, i) => i % 500 === 0 ? [`{"seal":${i >> 7}}`, line] : [line]).join("\n")
        )
        const cutting = Effect.repeat(proxy.cut, Schedule.spaced("200 millis").pipe(Schedule.upTo({ times: 15 })))
        const { code, err } = yield* Effect.raceFirst(
          Effect.promise(() => run(["ingest", "long", file, "--store", proxy.through(url)])),
          Effect.andThen(cutting, Effect.never)
        )
        assert.strictEqual(code, 0, err)
        const found = yield* Effect.promise(() => output(["snapshot", "long", "--updates", "--store", url]))
        assert.strictEqual(new Set(lines(found)).size, total)
        assert.strictEqual(lines(found).length, total)
      }),
    60_000
  )
})
