import { afterAll, assert, describe, it } from "@effect/vitest"
import fs from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { lines, output, remove, run, temporary, values } from "./Tool.ts"

const home = temporary()
afterAll(() => remove(home))

const database = (name: string, sql: string): string => {
  const file = join(home, name)
  const db = new DatabaseSync(file)
  db.exec(sql)
  db.close()
  return file
}

/** An event table: 30 parts of 3 sessions, each of them written 20 times; `rowid` is not the order of events. */
const events = (name: string): string => {
  const file = database(
    name,
    "CREATE TABLE event (seq INTEGER, session TEXT NOT NULL, part INTEGER NOT NULL, data TEXT NOT NULL)"
  )
  const db = new DatabaseSync(file)
  const insert = db.prepare("INSERT INTO event VALUES (?, ?, ?, ?)")
  db.exec("BEGIN")
  for (let seq = 599; seq >= 0; seq--) {
    const part = seq % 30
    insert.run(seq, `s-${part % 3}`, part, JSON.stringify({ step: Math.floor(seq / 30), text: "x".repeat(100) }))
  }
  db.exec("COMMIT")
  db.close()
  return file
}

const eventFlags = ["--table", "event", "--key", "session,part", "--order", "seq", "--value", "data"]

describe("import sqlite", () => {
  it("says what an event table takes there, and would take here", async () => {
    const dir = join(home, "dry")
    const said = await output([
      "--dir",
      dir,
      "--json",
      "import",
      "sqlite",
      events("dry.db"),
      ...eventFlags,
      "--dry-run"
    ])
    const { bytes, here, live, liveBytes, rows } = JSON.parse(said) as Record<string, number>
    assert.deepStrictEqual([rows, live], [600, 30])
    assert.isAbove(bytes!, 19 * liveBytes!)
    assert.isAbove(here!, 0)
    assert.isBelow(here!, 2 * liveBytes!)
    assert.isFalse(fs.existsSync(dir))
  })

  it("imports the last row of each key, in the order of the keys, and compares", async () => {
    const dir = join(home, "events")
    const tool = (...args: ReadonlyArray<string>) => output(["--dir", dir, ...args])
    const file = events("events.db")
    assert.strictEqual(
      await tool("import", "sqlite", file, ...eventFlags),
      `30 rows in table "event" as in the database`
    )
    const found = values(await tool("snapshot", "event")) as ReadonlyArray<
      { readonly key: readonly [string, number]; readonly value: { readonly step: number } }
    >
    assert.strictEqual(found.length, 30)
    assert.deepStrictEqual(found.slice(0, 3).map(({ key }) => key), [["s-0", 0], ["s-0", 3], ["s-0", 6]])
    assert.isTrue(found.every(({ value }) => value.step === 19))
    assert.strictEqual(
      await tool("import", "sqlite", file, ...eventFlags),
      `30 rows in table "event" as in the database`
    )
  })

  it("imports a table of current rows, of any types, by its primary key", async () => {
    const file = database(
      "current.db",
      `CREATE TABLE kv (id INTEGER PRIMARY KEY, name TEXT, size REAL, big INTEGER, raw BLOB);
       INSERT INTO kv VALUES (10, 'ten', 1.5, 9007199254740993, x'00ff'), (9, NULL, 2, 1, NULL)`
    )
    const dir = join(home, "current")
    assert.strictEqual(
      await output(["--dir", dir, "import", "sqlite", file, "--table", "kv", "--to", "items"]),
      `2 rows in table "items" as in the database`
    )
    assert.deepStrictEqual(values(await output(["--dir", dir, "snapshot", "items"])), [
      { key: 9, value: { big: 1, name: null, raw: null, size: 2 }, diff: 1 },
      { key: 10, value: { big: "9007199254740993", name: "ten", raw: "AP8=", size: 1.5 }, diff: 1 }
    ])
  })

  it("continues where it was interrupted, and finds rows that are others", async () => {
    const file = database("grows.db", "CREATE TABLE kv (k TEXT PRIMARY KEY, v TEXT)")
    const fill = (from: number, to: number, value: string | null) => {
      const db = new DatabaseSync(file)
      const insert = db.prepare("INSERT OR REPLACE INTO kv VALUES (?, ?)")
      db.exec("BEGIN")
      for (let i = from; i < to; i++) insert.run(`k-${String(i).padStart(5, "0")}`, value)
      db.exec("COMMIT")
      db.close()
    }
    const dir = join(home, "grows")
    const args = ["--dir", dir, "import", "sqlite", file, "--table", "kv"]
    // It ends in its second transaction, of a value that does not fit, with the first one stored.
    fill(0, 700, "same")
    fill(600, 601, "x".repeat(17 * 1024 * 1024))
    const interrupted = await run(args)
    assert.deepStrictEqual([interrupted.code, lines(interrupted.err).length], [1, 1])
    fill(600, 601, "same")
    assert.strictEqual(
      await output(args),
      `700 rows in table "kv" as in the database; 500 rows had been there already`
    )
    // What changes behind the progress of an interrupted import is found by the comparison.
    fill(1_200, 1_201, "x".repeat(17 * 1024 * 1024))
    assert.strictEqual((await run(args)).code, 1)
    fill(1_200, 1_201, "same")
    fill(3, 4, "another")
    const changed = await run(args)
    assert.strictEqual(changed.code, 1)
    assert.match(changed.err, /row 4 of kv has changed in the database since it was imported; import it again/)
    assert.match(await output(args), /^701 rows in table "kv" as in the database$/)
    const db = new DatabaseSync(file)
    db.exec("DELETE FROM kv WHERE k = 'k-00001'")
    db.close()
    const fewer = await run(args)
    assert.match(fewer.err, /table "kv" has 1 row that the database has not: destroy it/)
  })

  it("refuses what is no table, no key, or no database, in one line", async () => {
    const file = database("bad.db", "CREATE TABLE t (a TEXT, b); INSERT INTO t VALUES ('x', 1), ('y', 'text')")
    const dir = join(home, "bad")
    const failing = async (...args: ReadonlyArray<string>) => {
      const { code, err } = await run(["--dir", dir, "import", "sqlite", ...args])
      assert.deepStrictEqual([code, lines(err).length], [1, 1])
      return err
    }
    assert.match(await failing(join(home, "none.db"), "--table", "t"), /there is no file/)
    assert.match(await failing(file, "--table", "u"), /no table "u"/)
    assert.match(await failing(file, "--table", "t"), /no primary key: name the columns of its key with --key/)
    assert.match(await failing(file, "--table", "t", "--key", "c"), /no column "c"/)
    assert.match(await failing(file, "--table", "t", "--key", "b"), /cannot be a key/)
    fs.writeFileSync(join(home, "text.db"), "no database".repeat(100))
    assert.match(await failing(join(home, "text.db"), "--table", "t"), /cannot open/)
  })
})
