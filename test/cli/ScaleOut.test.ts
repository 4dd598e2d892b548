/** The commands of docs/scale-out.md, as they stand there. */
import { afterAll, assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import { join } from "node:path"
import { server } from "../postgres/Server.ts"
import { lines, remove, temporary } from "./Tool.ts"

const postgres = await server()
const home = temporary()
afterAll(async () => {
  remove(home)
  await postgres?.remove()
})

const root = join(import.meta.dirname, "../..")
const page = fs.readFileSync(join(root, "docs/scale-out.md"), "utf8")
const blocks = [...page.matchAll(/^```sh\n([^]*?)^```$/gm)].map(([, code]) => code!)

describe.skipIf(postgres === undefined)("the walk of docs/scale-out.md", () => {
  it("goes from a directory to two processes on Postgres", { timeout: 300_000 }, () => {
    assert.isAbove(blocks.length, 3)
    const bin = join(home, "bin")
    fs.mkdirSync(bin)
    const tool = `#!/bin/sh\nexec "${process.execPath}" "${join(root, "src/cli/bin.ts")}" "$@"\n`
    fs.writeFileSync(join(bin, "tidemark"), tool, { mode: 0o755 })
    const ran = spawnSync("bash", ["-euo", "pipefail", "-c", blocks.join("\n")], {
      cwd: home,
      encoding: "utf8",
      env: { ...process.env, DATABASE_URL: postgres!.url, PATH: `${bin}:${process.env["PATH"]}` },
      timeout: 300_000
    })
    assert.strictEqual(ran.status, 0, ran.stderr)
    assert.include(ran.stdout, "copied and verified 1 collection")
    const seen = lines(fs.readFileSync(join(home, "seen.ndjson"), "utf8"))
    assert.deepStrictEqual(["o-1", "o-2", "o-3"].map((key) => seen.filter((line) => line.includes(key)).length), [
      1,
      1,
      1
    ])
  })
})
