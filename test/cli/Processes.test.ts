import { afterAll, assert, describe, it } from "@effect/vitest"
import fs from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { lines, output, remove, run, runAlone, start, temporary, values } from "./Tool.ts"

const home = temporary()
afterAll(() => remove(home))

/** Waits until what a child has printed satisfies the condition. */
const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await sleep(10)
}

const row = (key: number, time: number): string => `{"key":${key},"value":"v","time":${time}}\n`

describe("beside a writer", () => {
  it("tail --follow prints what another process writes; a second writer learns who has the store", async () => {
    const dir = ["--dir", join(home, "followed")]
    await output([...dir, "ingest", "x"], { input: `${row(1, 1)}{"seal":2}\n` })
    const tail = start([...dir, "tail", "x", "--follow"])
    await until(() => lines(tail.chunks.out).length === 2)

    const writer = start([...dir, "ingest", "x"])
    writer.child.stdin.write(row(2, 2))
    await until(() => lines(tail.chunks.out).length === 3)
    const second = await runAlone([...dir, "seal", "x", "9"])
    assert.strictEqual(second.code, 1)
    assert.match(second.err, new RegExp(`^tidemark: the store .* is open for writing in process ${writer.child.pid} `))
    assert.strictEqual(await output([...dir, "snapshot", "x"]), `{"key":1,"value":"v","diff":1}`)
    const waiting = start([...dir, "snapshot", "x", "--as-of", "2", "--wait"])

    writer.child.stdin.end(`{"seal":3}\n`)
    assert.strictEqual((await writer.ended).out, "1 update durable, sealed to 3\n")
    assert.strictEqual(lines((await waiting.ended).out).length, 2)
    await until(() => lines(tail.chunks.out).length === 4)
    tail.child.kill("SIGINT")
    const { code, err, out } = await tail.ended
    assert.deepStrictEqual([code, err], [130, ""])
    assert.deepStrictEqual(values(out), [
      { key: 1, value: "v", time: 1, diff: 1 },
      { seal: 2 },
      { key: 2, value: "v", time: 2, diff: 1 },
      { seal: 3 }
    ])
  })

  it("a reader that has had enough ends it quietly", async () => {
    const dir = ["--dir", join(home, "enough")]
    const many = Array.from({ length: 50_000 }, (_, key) => row(key, 1)).join("")
    await output([...dir, "ingest", "x"], { input: `${many}{"seal":2}\n` })
    const { child, chunks, ended } = start([...dir, "snapshot", "x"])
    await until(() => chunks.out !== "")
    child.stdout.destroy()
    const { code, err } = await ended
    assert.deepStrictEqual([code, err], [0, ""])
  })

  it("an interrupted ingest says what is durable, and gives the store up", async () => {
    const dir = ["--dir", join(home, "interrupted")]
    const { child, ended } = start([...dir, "ingest", "x"])
    child.stdin.write(`${row(1, 1)}{"seal":2}\n`)
    const isSealed = async () => (await run([...dir, "snapshot", "x"])).code === 0
    while (!(await isSealed())) await sleep(20)
    child.kill("SIGINT")
    const { code, err } = await ended
    assert.deepStrictEqual([code, err], [130, "interrupted; 1 update durable, sealed to 2\n"])
    await output([...dir, "seal", "x", "3"])
  })
})

/** A small generator, so that one seed is one history. */
const random = (seed: number) => () => {
  seed = (Math.imul(seed ^ (seed >>> 15), 0x2c1b3c6d) + 0x9e3779b9) >>> 0
  return ((seed ^ (seed >>> 13)) >>> 0) / 2 ** 32
}

/** Rows that repeat and cancel each other, some of them far ahead of the seal, and a tail that is never sealed. */
const history = (seed: number): ReadonlyArray<string> => {
  const next = random(seed)
  const input: Array<string> = []
  let time = 0
  for (let i = 0; i < 6_000; i++) {
    const ahead = [0, 0, 0, 1, 7][Math.floor(next() * 5)]!
    const diff = [1, 1, 2, -1][Math.floor(next() * 4)]!
    input.push(
      JSON.stringify({ key: Math.floor(next() * 40), value: Math.floor(next() * 2), time: time + ahead, diff })
    )
    if (next() < 0.01 && i < 5_000) input.push(JSON.stringify({ seal: time += 1 + Math.floor(next() * 3) }))
  }
  return input
}

/** The updates of a collection, consolidated. */
const net = (updates: ReadonlyArray<unknown>): ReadonlyMap<string, number> => {
  const sums = new Map<string, number>()
  for (const update of updates as ReadonlyArray<{ key: number; value: number; time: number; diff: number }>) {
    const row = JSON.stringify([update.key, update.value, update.time])
    const sum = (sums.get(row) ?? 0) + update.diff
    if (sum === 0) sums.delete(row)
    else sums.set(row, sum)
  }
  return sums
}

const seeds = Number(process.env.TIDEMARK_SEEDS ?? "1")
const rounds = Number(process.env.TIDEMARK_KILLS ?? (seeds > 1 ? "20" : "6"))

describe("ingest --resume", () => {
  it.each(Array.from({ length: seeds }, (_, i) => i + 1))(
    "seed %i: killed at any moment, it ends where an uninterrupted ingest does",
    async (seed) => {
      const next = random(seed + 1_000)
      const input = history(seed)
      const file = join(home, `resumed-${seed}.ndjson`)
      fs.writeFileSync(file, `${input.join("\n")}\n`)
      const whole = ["--dir", join(home, `whole-${seed}`)]
      const pieces = ["--dir", join(home, `pieces-${seed}`)]
      await output([...whole, "ingest", "x", file])

      let reached = 0
      for (let round = 0; round < rounds; round++) {
        const { child, ended } = start([...pieces, "ingest", "x", "-", "--resume"])
        // The input stops somewhere, so that the kill meets every state: nothing written, half of it, all of it.
        reached += Math.floor(next() * (input.length - reached) * 0.5)
        child.stdin.write(`${input.slice(0, reached).join("\n")}\n`)
        await sleep(400 + next() * 500)
        child.kill("SIGKILL")
        assert.strictEqual((await ended).code, "SIGKILL")
      }
      await output([...pieces, "ingest", "x", file, "--resume"])
      assert.match(await output([...pieces, "ingest", "x", file, "--resume"]), /updates had been there already$/)

      const updates = await Promise.all([whole, pieces].map((dir) => output([...dir, "snapshot", "x", "--updates"])))
      assert.deepStrictEqual(net(values(updates[1]!)), net(values(updates[0]!)))
      for (const asOf of [["--as-of", "3"], ["--as-of", "30"], []]) {
        const both = await Promise.all([whole, pieces].map((dir) => output([...dir, "snapshot", "x", ...asOf])))
        assert.strictEqual(both[1], both[0])
      }
      assert.match(await output([...pieces, "verify"]), /as they were written/)
    },
    300_000 + rounds * 5_000
  )

  it("rows of others that are not sealed are left alone, also where history has been given up ahead", async () => {
    const dir = ["--dir", join(home, "shared")]
    await output([...dir, "ingest", "x"], { input: row(1, 5) + row(2, 8) })
    await output([...dir, "compact", "x", "--since", "7"])
    const mine = row(4, 1) + row(3, 1) + `{"seal":4}\n` + row(4, 5) + row(4, 5) + row(5, 9)
    await output([...dir, "ingest", "x", "--resume"], { input: mine })
    const again = await output([...dir, "ingest", "x", "--resume"], { input: `${mine}${row(6, 9)}{"seal":10}\n` })
    assert.strictEqual(again, "1 update durable, sealed to 10; 5 updates had been there already")
    const contents = values(await output([...dir, "snapshot", "x"])) as ReadonlyArray<{ key: number; diff: number }>
    assert.deepStrictEqual(contents.map(({ diff, key }) => [key, diff]), [[1, 1], [2, 1], [3, 1], [4, 3], [5, 1], [
      6,
      1
    ]])
  })
})
