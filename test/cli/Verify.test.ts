import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import fs from "node:fs"
import { join } from "node:path"
import * as PersistClient from "../../src/client/PersistClient.ts"
import { layerOf } from "../node/Temporary.ts"
import { filesOf, output, remove, run, temporary } from "./Tool.ts"

// TIDEMARK_SEEDS=100: more of the bits; TIDEMARK_BITS=all: each of them, which takes hours.
const seeds = Number(process.env.TIDEMARK_SEEDS ?? "1")
const isEveryBit = process.env.TIDEMARK_BITS === "all"

const home = temporary()
const dir = join(home, "store")

const rows = (count: number, time: number): string =>
  Array.from({ length: count }, (_, key) => `{"key":"key ${key}","value":"${(key * 7919) % 1000}","time":${time}}\n`)
    .join("")

interface Report {
  readonly ok: boolean
  readonly problems: ReadonlyArray<{ readonly file: string; readonly offset: number; readonly detail: string }>
}

const verify = async (): Promise<Report> => JSON.parse((await run(["--dir", dir, "verify", "--json"])).out) as Report

/** Those that the collections have rows in, and those that only the hold keeps. */
const batches = async () => {
  const files = filesOf(dir).filter((file) => file.startsWith("blobs/batch/"))
  const inspected = await output(["--dir", dir, "inspect", "--json"])
  return {
    current: files.filter((file) => inspected.includes(file)),
    held: files.filter((file) => !inspected.includes(file))
  }
}

beforeAll(async () => {
  await output(["--dir", dir, "ingest", "x"], { input: `${rows(3_000, 1)}{"seal":2}\n${rows(50, 5)}` })
  await output(["--dir", dir, "compact", "x"])
  const hold = Effect.flatMap(PersistClient.makeReadOnly(), (client) => client.hold("report", { lease: "1 day" }))
  await Effect.runPromise(Effect.scoped(Effect.provide(hold, layerOf(dir))))
  await output(["--dir", dir, "compact", "x", "--since", "1"])
  await output(["--dir", dir, "ingest", "y"], { input: `${rows(20, 1)}{"seal":2}\n` })
})
afterAll(() => remove(home))

describe("verify", () => {
  it("finds nothing in a sound store, and there is something of every kind in it", async () => {
    assert.deepStrictEqual((await verify()).problems, [])
    const kinds = new Set(filesOf(dir).map((file) => file.split("/").slice(0, -1).join("/")))
    assert.sameMembers([...kinds], ["", "blobs/batch", "blobs/hold", "blobs/rollup", "lock", "log"])
  })

  it("a flipped bit anywhere is reported with its file", async () => {
    for (const file of filesOf(dir)) {
      const path = join(dir, file)
      const sound = fs.readFileSync(path)
      const bits = 8 * sound.length
      // Odd, so that each bit of a byte has its turn.
      const step = isEveryBit ? 1 : Math.floor(bits / (12 * seeds)) | 1
      for (let bit = 0; bit < bits; bit += step) {
        const damaged = Buffer.from(sound)
        damaged[bit >> 3]! ^= 1 << (bit & 7)
        fs.writeFileSync(path, damaged)
        const { problems } = await verify()
        const found = problems.find((problem) => problem.file === file)
        assert.isDefined(found, `${file}, bit ${bit}: ${JSON.stringify(problems)}`)
      }
      fs.writeFileSync(path, sound)
    }
    assert.isTrue((await verify()).ok)
  }, isEveryBit ? 36_000_000 : 120_000)

  it("a missing or exchanged blob is reported by name", async () => {
    const { current: blobs } = await batches()
    assert.isAtLeast(blobs.length, 2)
    const [first, second] = blobs.map((file) => join(dir, file))
    const sound = fs.readFileSync(first!)
    fs.rmSync(first!)
    assert.deepInclude((await verify()).problems, {
      file: blobs[0]!,
      offset: 0,
      detail: `it is missing, but "x" has rows in it`
    })
    fs.copyFileSync(second!, first!)
    const { problems } = await verify()
    assert.isTrue(problems.some(({ detail, file }) => file === blobs[0] && detail.includes("checksum")))
    fs.writeFileSync(first!, sound)
    assert.isTrue((await verify()).ok)
  })

  it("a missing blob that a hold keeps is reported, and its name with it; gc leaves it alone", async () => {
    const { held: [kept] } = await batches()
    assert.isDefined(kept)
    assert.match(
      (await run(["--dir", dir, "inspect"])).out,
      /^hold "report": kept until 1d after its last sign of life$/m
    )
    assert.match((await run(["--dir", dir, "gc"])).out, /^0 orphans/)
    const sound = fs.readFileSync(join(dir, kept))
    fs.rmSync(join(dir, kept))
    const detail = `it is missing, but "x" in the hold "report" has rows in it`
    assert.deepStrictEqual((await verify()).problems, [{ file: kept, offset: 0, detail }])
    // One that was never taken to its end, as no sign of life shows, guarantees nothing.
    const beats = filesOf(dir).filter((file) => file.includes(".beat."))
    assert.lengthOf(beats, 1)
    fs.renameSync(join(dir, beats[0]!), join(home, "beat"))
    assert.isTrue((await verify()).ok)
    fs.renameSync(join(home, "beat"), join(dir, beats[0]!))
    fs.writeFileSync(join(dir, kept), sound)
    assert.isTrue((await verify()).ok)
  })

  it("prints a line a problem, and ends with 1", async () => {
    const marker = join(dir, "TIDEMARK")
    const sound = fs.readFileSync(marker)
    fs.writeFileSync(marker, Buffer.from(sound).fill(0, 4, 5))
    const { code, err, out } = await run(["--dir", dir, "verify"])
    assert.strictEqual(code, 1)
    assert.match(out, /^TIDEMARK: offset 0: .*\n$/)
    assert.strictEqual(err, "tidemark: 1 problem found\n")
    fs.writeFileSync(marker, sound)
  })
})
