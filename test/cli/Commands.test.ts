import { DuckDBInstance } from "@duckdb/node-api"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { asyncBufferFromFile, parquetReadObjects } from "hyparquet"
import { createHash } from "node:crypto"
import fs from "node:fs"
import { join } from "node:path"
import { lines, output, remove, run, runAlone, runBytes, temporary, values } from "./Tool.ts"

const home = temporary()
const dir = join(home, "store")
const tool = (...args: ReadonlyArray<string>) => output(["--dir", dir, ...args])
const failing = (...args: ReadonlyArray<string>) => run(["--dir", dir, ...args])

const rows = `{"key":"a","value":1,"time":1}
{"key":"b","value":{"y":2,"x":[1,null]},"time":1,"diff":2}
{"seal":2}

{"key":"a","value":1,"time":2,"diff":-1}
{"key":"a","value":"say \\"hi\\", \\u00fc","time":3}
{"seal":4}
{"key":"c","value":"open","time":7}
`

beforeAll(async () => {
  fs.writeFileSync(join(home, "rows.ndjson"), rows)
  assert.strictEqual(await tool("ingest", "x", join(home, "rows.ndjson")), "5 updates durable, sealed to 4")
})
afterAll(() => remove(home))

const text = `say "hi", ü`
const b = { key: "b", value: { x: [1, null], y: 2 }, diff: 2 }

describe("reading", () => {
  it("snapshot: as of the last sealed time, or another; a time that is not sealed is an error", async () => {
    assert.deepStrictEqual(values(await tool("snapshot", "x")), [{ key: "a", value: text, diff: 1 }, b])
    assert.deepStrictEqual(values(await tool("snapshot", "x", "--as-of", "2")), [b])
    assert.deepStrictEqual(values(await tool("snapshot", "x", "--as-of", "0")), [])
    const late = await failing("snapshot", "x", "--as-of", "4")
    assert.deepStrictEqual([late.code, late.out, lines(late.err).length], [1, "", 1])
    assert.match(late.err, /^tidemark: "x" is sealed up to 4 only/)
  })

  it("snapshot --updates: everything that is durable, as it was written", async () => {
    const updates = values(await tool("snapshot", "x", "--updates"))
    assert.sameDeepMembers([...updates], [
      { key: "a", value: 1, time: 1, diff: 1 },
      { ...b, time: 1 },
      { key: "a", value: 1, time: 2, diff: -1 },
      { key: "a", value: text, time: 3, diff: 1 },
      { key: "c", value: "open", time: 7, diff: 1 }
    ])
    assert.strictEqual(lines(await tool("snapshot", "x", "--updates", "--as-of", "2")).length, 3)
  })

  it("snapshot --format: csv and parquet", async () => {
    assert.deepStrictEqual(lines(await tool("snapshot", "x", "--format", "csv")), [
      "key,value,diff",
      `a,"say ""hi"", ü",1`,
      `b,"{""x"":[1,null],""y"":2}",2`
    ])
    const path = join(home, "x.parquet")
    fs.writeFileSync(path, (await runBytes(["--dir", dir, "snapshot", "x", "--format", "parquet", "--updates"])).out)
    const stored = await parquetReadObjects({ file: await asyncBufferFromFile(path) })
    assert.deepInclude(stored, { key: "c", value: "open", time: 7n, diff: 1n })
    assert.strictEqual(stored.length, 5)
  })

  it("export writes what ingest reads: everything, in every format", async () => {
    const updates = lines(await tool("snapshot", "x", "--updates")).toSorted()
    const exported = async (format: string): Promise<ReadonlyArray<string>> => {
      const path = join(home, `exported.${format}`)
      const { code, out } = await runBytes(["--dir", dir, "export", "x", "--format", format])
      assert.strictEqual(code, 0)
      fs.writeFileSync(path, out)
      const copy = ["--dir", join(home, `exported-${format}`)]
      const delivered = await output([...copy, "ingest", "x", path, "--format", format])
      assert.strictEqual(delivered, `5 updates durable, ${format === "csv" ? "nothing sealed" : "sealed to 4"}`)
      return lines(await output([...copy, "snapshot", "x", "--updates"]))
    }
    for (const format of ["ndjson", "parquet"]) assert.deepStrictEqual((await exported(format)).toSorted(), updates)
    // In CSV everything is a text.
    assert.include(await exported("csv"), `{"key":"a","value":"1","time":1,"diff":1}`)
  })

  it("DuckDB reads what export --format parquet wrote", async () => {
    const path = join(home, "duckdb.parquet")
    const { out } = await runBytes(["--dir", dir, "export", "x", "--format", "parquet"])
    fs.writeFileSync(path, out)
    const connection = await (await DuckDBInstance.create(":memory:")).connect()
    const found = await connection.runAndReadAll(
      `SELECT key, value, "time", diff, value->>'$.x[0]' AS x FROM '${path}' ORDER BY "time", key`
    )
    assert.deepStrictEqual(found.getRowObjectsJson(), [
      { key: `"a"`, value: "1", time: "1", diff: "1", x: null },
      { key: `"b"`, value: `{"x":[1,null],"y":2}`, time: "1", diff: "2", x: "1" },
      { key: `"a"`, value: "1", time: "2", diff: "-1", x: null },
      { key: `"a"`, value: JSON.stringify(text), time: "3", diff: "1", x: null },
      { key: `"c"`, value: `"open"`, time: "7", diff: "1", x: null }
    ])
    connection.closeSync()
  })

  it("Debezium: ingest of its events, and export as the snapshot of a connector", async () => {
    const store = ["--dir", join(home, "debezium")]
    const input = `{"key":1,"value":{"op":"c","after":"a"}}\n{"key":1,"value":{"op":"u","before":"a","after":"b"}}\n`
    assert.strictEqual(
      await output([...store, "ingest", "t", "--format", "debezium"], { input }),
      "3 updates durable, sealed to 2"
    )
    assert.strictEqual(await output([...store, "snapshot", "t", "--as-of", "0"]), `{"key":1,"value":"a","diff":1}`)
    assert.deepInclude(values(await output([...store, "export", "t", "--format", "debezium"]))[0], {
      key: 1,
      value: { op: "r", before: null, after: "b", source: { connector: "tidemark", table: "t", snapshot: "last" } }
    })
    const again = await run([...store, "ingest", "t", "--format", "debezium"], { input })
    assert.match(again.err, /^tidemark: line 1: time 0 lies below the seal 2/)
  })

  it("get, history, diff", async () => {
    assert.deepStrictEqual(values(await tool("get", "x", `"a"`)), [{ key: "a", value: text, diff: 1 }])
    assert.deepStrictEqual(values(await tool("get", "x", `"a"`, "--as-of", "1")), [{ key: "a", value: 1, diff: 1 }])
    assert.strictEqual(await tool("get", "x", `"nobody"`), "")
    assert.deepStrictEqual(values(await tool("history", "x", `"a"`)), [
      { key: "a", value: 1, time: 1, diff: 1 },
      { key: "a", value: 1, time: 2, diff: -1 },
      { key: "a", value: text, time: 3, diff: 1 }
    ])
    assert.deepStrictEqual(values(await tool("diff", "x", "1", "3")), [
      { key: "a", value: text, diff: 1 },
      { key: "a", value: 1, diff: -1 }
    ])
    assert.deepStrictEqual(values(await tool("diff", "x", "3", "1")), [
      { key: "a", value: text, diff: -1 },
      { key: "a", value: 1, diff: 1 }
    ])
    assert.strictEqual((await failing("diff", "x", "1", "4")).code, 1)
    const noJson = await failing("get", "x", "a")
    assert.strictEqual(noJson.code, 2)
    assert.match(noJson.err, /KEY must be JSON/)
  })

  it("tail prints what ingest reads; --from leaves out earlier times", async () => {
    const copied = await tool("tail", "x")
    assert.strictEqual(lines(copied).at(-1), `{"seal":4}`)
    assert.deepStrictEqual(values(await tool("tail", "x", "--from", "3")).slice(1), [
      { key: "c", value: "open", time: 7, diff: 1 },
      { seal: 4 }
    ])
    const copy = ["--dir", join(home, "copy")]
    await output([...copy, "ingest", "x"], { input: copied })
    assert.strictEqual(await output([...copy, "snapshot", "x"]), await tool("snapshot", "x"))
  })

  it("list, describe, inspect", async () => {
    const listed = { name: "x", id: 0, key: "json", value: "json", since: 0, upper: 4 }
    assert.deepStrictEqual(JSON.parse(await tool("list", "--json")), [listed])
    assert.match(await tool("list"), /^NAME +KEYS +VALUES +SINCE +UPPER\nx +json +json +0 +4$/)
    assert.deepInclude(JSON.parse(await tool("describe", "x", "--json")), { name: "x", rows: 5, upper: 4 })
    assert.match(await tool("describe", "x"), /upper +4/)
    const inspected = JSON.parse(await tool("inspect", "x", "--json")) as {
      readonly collections: ReadonlyArray<object>
    }
    assert.deepInclude(inspected.collections[0], { name: "x", spills: [], trace: [] } as object)
    const text = await tool("inspect")
    assert.match(text, /x: json -> json, since 0, upper 4/)
    assert.match(text, /LARGEST KEYS +BYTES +UPDATES +LAST CHANGED/)
    const { largestKeys } = inspected.collections[0] as { readonly largestKeys: ReadonlyArray<{ lastChanged: number }> }
    assert.isAbove(largestKeys.length, 0)
    assert.isBelow(largestKeys[0]!.lastChanged, 4)
  })
})

describe("schema", () => {
  const golden = join(import.meta.dirname, "../golden/format-2")
  const evolved = (...args: ReadonlyArray<string>) => output(["--dir", golden, "schema", "evolved", ...args])

  it("shows the versions by fingerprint, and the schema of today", async () => {
    const text = await evolved()
    assert.match(text, /^VERSION +KEY +VALUE\n1 +- +[0-9a-f]{16}\n2 +- +[0-9a-f]{16}\n3 +- +[0-9a-f]{16}\n/)
    assert.include(text, "key: string\n")
    assert.match(text, /value: schema\n\{\n[^]*"kind"/)
    const json = JSON.parse(await evolved("--json"))
    assert.deepStrictEqual(json.versions.map(({ version }: { readonly version: number }) => version), [1, 2, 3])
    assert.deepStrictEqual(json.key, { codec: "string", schema: null })
    assert.hasAllKeys(json.value.schema.properties, ["price", "note", "kind"])
    assert.match(await tool("schema", "x"), /1 +- +-\n\nkey: json\n\nvalue: json$/)
  })

  it("--diff: what changed, to another version or to that of today", async () => {
    assert.strictEqual(await evolved("--diff", "1", "--to", "2"), "additive value .note: a new field, optional")
    assert.deepStrictEqual(lines(await evolved("--diff", "1")), [
      "additive value .price: null is taken, too",
      "additive value .kind: a new field, optional",
      "additive value .note: a new field, optional"
    ])
    assert.strictEqual(await evolved("--diff", "2", "--to", "2"), "")
    assert.deepStrictEqual(values(await evolved("--diff", "2", "--to", "1", "--json")), [
      { part: "value", kind: "breaking", path: ".note", detail: "the field is gone" }
    ])
  })

  it("names what is wrong", async () => {
    assert.deepInclude(await failing("schema", "x", "--diff", "2"), {
      code: 2,
      err: `tidemark: "x" has the schema versions 1 to 1\n`
    })
    assert.deepInclude(await failing("schema", "x", "--to", "1"), { code: 2, err: "tidemark: --to needs --diff\n" })
    assert.strictEqual((await failing("schema", "none")).code, 1)
  })
})

describe("bad input", () => {
  it.each([
    ["{", /^line 3: it is not JSON/],
    ["[1]", /^line 3: it must be/],
    [`{"value":1,"time":5}`, /^line 3: "key" is missing/],
    [`{"key":1,"time":5}`, /^line 3: "value" is missing/],
    [`{"key":1,"value":1}`, /^line 3: "time" is missing/],
    [`{"key":1,"value":1,"time":5,"weight":1}`, /^line 3: it has an unknown field "weight"/],
    [`{"key":1,"value":1,"time":-1}`, /^line 3: "time" must be an integer/],
    [`{"key":1,"value":1,"time":1.5}`, /^line 3: "time" must be an integer/],
    [`{"key":1,"value":1,"time":9007199254740993}`, /^line 3: "time" must be an integer/],
    [`{"key":1,"value":1,"time":5,"diff":0.5}`, /^line 3: "diff" must be an integer/],
    [`{"seal":2,"key":1}`, /^line 3: a seal has no other field/],
    [`{"seal":-2}`, /^line 3: "seal" must be an integer/],
    [`{"seal":1}`, /^line 3: the seal goes back from 2 to 1/],
    [`{"key":1,"value":1,"time":1}`, /^line 3: time 1 lies below the seal 2/],
    [`{"key":1,"value":"\\ud800","time":5}`, /^line 3: .*lone surrogate/]
  ])("ingest of %s stops with its line, and keeps what was acknowledged", async (line, message) => {
    const store = ["--dir", temporary()]
    const input = `{"key":1,"value":1,"time":1}\n{"seal":2}\n${line}\n{"key":2,"value":2,"time":9}\n`
    const { code, err, out } = await run([...store, "ingest", "bad"], { input })
    assert.deepStrictEqual([code, out, lines(err).length], [1, "", 1])
    assert.match(err.replace(/^tidemark: /, ""), message)
    assert.match(err, /; 1 update durable, sealed to 2\n$/)
    assert.strictEqual(await output([...store, "snapshot", "bad"]), `{"key":1,"value":1,"diff":1}`)
    remove(store[1]!)
  })

  it("ingest whose first line is refused creates no collection", async () => {
    const store = ["--dir", temporary()]
    for (const [format, input] of [["ndjson", `{"key":1}\n`], ["csv", "a,b\n1,2\n"], ["debezium", "{}\n"]] as const) {
      const { code, err } = await run([...store, "ingest", "new", "--format", format], { input })
      assert.strictEqual(code, 1)
      assert.match(err, /; 0 updates durable, nothing sealed\n$/)
    }
    assert.deepStrictEqual(values(await output([...store, "list", "--json"])), [[]])
    remove(store[1]!)
  })

  it("ingest of a wrong Parquet file or CSV leaves nothing half-applied", async () => {
    const store = ["--dir", join(home, "half")]
    const path = join(home, "half.parquet")
    const { out } = await runBytes(["--dir", dir, "export", "x", "--format", "parquet"])
    fs.writeFileSync(path, out.subarray(0, out.length - 1))
    const cut = await run([...store, "ingest", "y", path, "--format", "parquet"])
    assert.strictEqual(cut.code, 1)
    assert.match(cut.err, /^tidemark: its end: the footer is missing; 0 updates durable, nothing sealed\n$/)
    const piped = await run([...store, "ingest", "y", "--format", "parquet"], { input: "PAR1" })
    assert.strictEqual(piped.code, 2)
    const csv = await run([...store, "ingest", "y", "--format", "csv"], {
      input: "key,value,time,diff\na,b,1,1\na,b,1\n"
    })
    assert.match(csv.err, /^tidemark: record 3: it has 3 cells instead of 4; 1 update durable, nothing sealed\n$/)
    assert.strictEqual(
      await output([...store, "snapshot", "y", "--updates"]),
      `{"key":"a","value":"b","time":1,"diff":1}`
    )
  })

  it("an empty input is fine", async () => {
    const store = join(home, "empty")
    assert.strictEqual(await output(["--dir", store, "ingest", "e"]), "0 updates durable, nothing sealed")
    const { code, err } = await run(["--dir", store, "snapshot", "e"])
    assert.strictEqual(code, 1)
    assert.match(err, /^tidemark: no time of "e" is sealed yet.*\n$/)
  })

  it.each([
    [["nonsense"], 2, /Unknown subcommand/],
    [["snapshot"], 2, /Missing required argument/],
    [["snapshot", "x", "--as-of", "-1"], 2, /integer from 0/],
    [["snapshot", "x", "--format", "xml"], 2, /format/],
    [["list", "--unknown"], 2, /unknown/],
    [["snapshot", "nobody"], 1, /^tidemark: there is no collection "nobody"/],
    [["seal", "x", "1"], 1, /^tidemark: request .*sealed up to 4/],
    [["seal", "nobody", "1"], 1, /there is no collection/],
    [["ingest", "x", "/no/such/file"], 1, /^tidemark: there is no file/],
    [["demo", "--repo", "/no/such/directory"], 2, /repo/]
  ])("%j ends with %i", async (args, code, message) => {
    const ran = await failing(...args)
    assert.strictEqual(ran.code, code)
    assert.match(ran.err, message)
    assert.notMatch(ran.err, /^ +at /m)
    assert.strictEqual(ran.out, "")
  })

  it("a directory that is no store is left alone", async () => {
    const place = join(home, "other")
    fs.mkdirSync(place)
    fs.writeFileSync(join(place, "mine"), "")
    for (const args of [["list"], ["seal", "x", "1"], ["ingest", "x"], ["gc"], ["inspect"]]) {
      const { code, err } = await run(["--dir", place, ...args])
      assert.strictEqual(code, 1, args.join(" "))
      assert.match(err, /is not a Tidemark store/)
    }
    assert.deepStrictEqual(fs.readdirSync(place), ["mine"])
    assert.strictEqual((await run(["--dir", join(home, "nothing"), "seal", "x", "1"])).code, 1)
    assert.isFalse(fs.existsSync(join(home, "nothing")))
  })
})

describe("help", () => {
  it("shows examples, completions and the version", async () => {
    const [help, completions, version, none] = await Promise.all([
      runAlone(["ingest", "--help"]),
      runAlone(["--completions", "bash"]),
      runAlone(["--version"]),
      runAlone([])
    ])
    assert.match(help.out, /EXAMPLES[^]*tidemark ingest orders updates.ndjson --resume/)
    assert.match(completions.out, /snapshot/)
    assert.match(version.out, /\d+\.\d+\.\d+/)
    assert.deepStrictEqual([help.code, completions.code, version.code, none.code], [0, 0, 0, 2])
  })

  it("the store is named by TIDEMARK_DIR, unless --dir says otherwise", async () => {
    const env = { TIDEMARK_DIR: dir }
    assert.match((await runAlone(["list"], { env })).out, /^x /m)
    assert.strictEqual((await runAlone(["list", "--dir", join(home, "nothing")], { env })).code, 1)
  })
})

describe("administration", () => {
  const store = join(home, "administered")
  const there = (...args: ReadonlyArray<string>) => output(["--dir", store, ...args])

  it("compact --dry-run foretells what compact does; times before since cannot be read then", async () => {
    const versions = Array.from(
      { length: 300 },
      (_, time) =>
        `{"key":"k","value":${time},"time":${time}}\n{"key":"k","value":${time},"time":${
          time + 1
        },"diff":-1}\n{"seal":${time + 1}}\n`
    )
    await output(["--dir", store, "ingest", "v"], { input: versions.join("") })
    const foretold = JSON.parse(await there("compact", "v", "--since", "299", "--dry-run", "--json")) as Sizes
    assert.strictEqual(lines(await there("snapshot", "v", "--as-of", "5")).length, 1)
    const done = JSON.parse(await there("compact", "v", "--since", "299", "--json")) as Sizes
    assert.deepStrictEqual([foretold.before, foretold.after], [done.before, done.after])
    assert.deepStrictEqual([done.before.rows, done.after.rows], [600, 2])
    assert.strictEqual(await there("snapshot", "v"), `{"key":"k","value":299,"diff":1}`)
    const { code, err } = await run(["--dir", store, "snapshot", "v", "--as-of", "5"])
    assert.strictEqual(code, 1)
    assert.match(err, /history before 299 was given up/)
  })

  it("erase: a receipt, and nothing of the key", async () => {
    const secret = "Zq8vNwKe3TfYbRs5"
    const input = ["kept", secret, "kept too"].map((key) => `{"key":"${key}","value":1,"time":1}`).join("\n")
    await output(["--dir", store, "ingest", "e"], { input: `${input}\n{"seal":2}\n` })
    const receipt = JSON.parse(await there("erase", "e", JSON.stringify(secret))) as Record<string, unknown>
    const keyHash = createHash("sha256").update(JSON.stringify(secret)).digest("hex")
    assert.deepInclude(receipt, { collection: "e", keyHash, rows: 1 })
    assert.isTrue(Date.parse(String(receipt["erasedAt"])) > 0)
    assert.sameMembers([...lines(await there("snapshot", "e"))], [
      `{"key":"kept","value":1,"diff":1}`,
      `{"key":"kept too","value":1,"diff":1}`
    ])
    const unknown = await run(["--dir", store, "erase", "nobody", secret])
    assert.deepStrictEqual([unknown.code, unknown.err.includes(secret)], [1, false])
  })

  it("seal; destroy, and --recreate", async () => {
    await there("seal", "v", "500")
    assert.strictEqual(lines(await there("snapshot", "v", "--as-of", "499")).length, 0)
    assert.strictEqual(await there("destroy", "v"), `"v" is destroyed`)
    const input = `{"key":1,"value":1,"time":1}`
    for (const args of [["snapshot", "v"], ["ingest", "v"]]) {
      const { code, err } = await run(["--dir", store, ...args], { input })
      assert.strictEqual(code, 1)
      assert.match(err, /was destroyed/)
    }
    assert.strictEqual(
      await output(["--dir", store, "ingest", "v", "--recreate"], { input }),
      "1 update durable, nothing sealed"
    )
  })

  it("gc --dry-run lists what gc deletes: files that nothing refers to", async () => {
    const orphan = join(store, "blobs/batch/00000000000000-00000001")
    fs.mkdirSync(join(store, "blobs/batch"), { recursive: true })
    fs.writeFileSync(orphan, "left by a crash")
    assert.match(await there("gc", "--dry-run"), /^blobs\/batch\/00000000000000-00000001 +15 B\n1 orphan, 15 B$/)
    assert.isTrue(fs.existsSync(orphan))
    assert.match(await there("gc"), /1 orphan, 15 B deleted$/)
    assert.isFalse(fs.existsSync(orphan))
    assert.match(await there("verify"), /are as they were written$/)
  })
})

interface Sizes {
  readonly before: { readonly rows: number }
  readonly after: { readonly rows: number }
}
