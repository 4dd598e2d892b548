// The benchmarks run, and read what they wrote. How fast is none of a test's business.
import { assert, describe, it } from "@effect/vitest"
import { spawn } from "node:child_process"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import * as path from "node:path"

interface Sample {
  readonly workload: string
  readonly mode: string
  readonly engine: string
  readonly figures: Readonly<Record<string, number>>
}

/** All but what needs the packages of `bench/package.json`, and slopes, of which there are many. */
const workloads = ["w1", "w2", "w3", "w4", "w5", "w6", "compaction"]

const run = path.join(import.meta.dirname, "../bench/run.ts")

const bench = (directory: string, args: ReadonlyArray<string>) =>
  new Promise<{ readonly code: number | null; readonly out: string; readonly err: string }>((resolve) => {
    const child = spawn(process.execPath, ["--conditions=tidemark-source", run, ...args], {
      env: {
        ...process.env,
        TIDEMARK_BENCH_SCALE: "0.001",
        TIDEMARK_BENCH_RUNS: "1",
        TIDEMARK_BENCH_DIR: directory,
        TIDEMARK_BENCH_RESULTS: path.join(directory, "results")
      },
      stdio: ["ignore", "pipe", "pipe"]
    })
    let out = ""
    let err = ""
    child.stdout.on("data", (text: Buffer) => (out += text))
    child.stderr.on("data", (text: Buffer) => (err += text))
    child.on("exit", (code) => resolve({ code, out, err }))
  })

describe("benchmarks", () => {
  it("every workload runs on Tidemark and on the bare disk", { timeout: 300_000 }, async () => {
    const directory = fs.mkdtempSync(path.join(tmpdir(), "tidemark-bench-test-"))
    try {
      const { code, err, out } = await bench(directory, [...workloads, "--engines", "tidemark/strings,raw"])
      assert.strictEqual(code, 0, err)
      const samples = fs.readdirSync(path.join(directory, "results")).toSorted().flatMap((name) =>
        (JSON.parse(fs.readFileSync(path.join(directory, "results", name), "utf8")) as {
          readonly samples: ReadonlyArray<Sample>
        }).samples
      )
      assert.deepStrictEqual(
        samples.map(({ engine, mode, workload }) => `${workload} ${mode} ${engine}`),
        [
          "compaction  tidemark/strings",
          "w1 one tidemark/strings",
          "w1 one raw/append",
          "w1 sixteen tidemark/strings",
          "w2 one tidemark/strings",
          "w2 one raw/append",
          "w2 sixtyfour tidemark/strings",
          "w3 snapshot tidemark/strings",
          "w3 get tidemark/strings",
          "w4 one tidemark/strings",
          "w4 ten tidemark/strings",
          "w5  tidemark/strings",
          "w6  tidemark/strings"
        ]
      )
      for (const { figures } of samples) assert.isAbove(figures["rate"] ?? figures["ready"] ?? figures["ratio"] ?? 0, 0)
      assert.match(out, /^\| W6 disk at the end over live bytes \| live bytes \|/m)
    } finally {
      fs.rmSync(directory, { recursive: true, force: true })
    }
  })

  it("an unknown workload is wrong usage", async () => {
    const { code, err } = await bench(tmpdir(), ["w9"])
    assert.strictEqual(code, 2)
    assert.match(err, /there is no workload "w9"; there are w1, w2/)
  })
})
