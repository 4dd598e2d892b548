import { assert, describe, it } from "@effect/vitest"
import { type ChildProcess, spawn } from "node:child_process"
import { randomUUID } from "node:crypto"
import { once } from "node:events"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { text } from "node:stream/consumers"
import { setTimeout as sleep } from "node:timers/promises"

/** A run, all of whose processes carry a mark, and whose files are in a directory of its own. */
const start = (environment: NodeJS.ProcessEnv): { child: ChildProcess; directory: string; mark: string } => {
  const directory = fs.mkdtempSync(join(tmpdir(), "tidemark-run-"))
  // Postgres may run as another user.
  fs.chmodSync(directory, 0o755)
  const mark = randomUUID()
  const child = spawn(process.execPath, [
    "--conditions=tidemark-source",
    join(import.meta.dirname, "run.ts"),
    "60",
    "1"
  ], {
    env: { ...process.env, TIDEMARK_S3: "", ...environment, TMPDIR: directory, TIDEMARK_MARK: mark },
    stdio: ["ignore", "pipe", "pipe"]
  })
  return { child, directory, mark }
}

const environmentOf = (pid: string): string => {
  try {
    return fs.readFileSync(`/proc/${pid}/environ`, "utf8")
  } catch {
    return ""
  }
}

/** What the processes with this mark were started with. */
const running = (mark: string): ReadonlyArray<string> =>
  fs.readdirSync("/proc").filter((name) => /^\d+$/.test(name) && environmentOf(name).includes(mark)).map((pid) => {
    try {
      return fs.readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ")
    } catch {
      return ""
    }
  }).filter((command) => command !== "")

const soon = async (isTrue: () => boolean): Promise<boolean> => {
  for (let tries = 0; tries < 600 && !isTrue(); tries++) await sleep(100)
  return isTrue()
}

describe.skipIf(process.platform !== "linux")("npm run chaos", () => {
  it.each(["SIGINT", "SIGKILL"] as const)("leaves no process and no file behind, also by %s", async (signal) => {
    const { child, directory, mark } = start({})
    const isInTheMiddle = () => running(mark).filter((command) => command.includes("Node.ts")).length === 3
    assert.isTrue(await soon(isInTheMiddle), "the run did not begin")
    child.kill(signal)
    await once(child, "exit")
    assert.isTrue(await soon(() => running(mark).length === 0), running(mark).join("\n"))
    assert.deepStrictEqual(fs.readdirSync(directory), [])
    fs.rmdirSync(directory)
  })

  it("fails if the gateway that it is to use does not start", async () => {
    const { child, directory } = start({ TIDEMARK_S3: "ceph", PATH: "" })
    const said = text(child.stderr!)
    const [code] = await once(child, "exit")
    assert.notStrictEqual(code, 0)
    assert.include(await said, "TIDEMARK_S3=ceph asks for a Ceph gateway, but it is not installed")
    fs.rmSync(directory, { recursive: true })
  })
})
