import { assert, describe, it } from "@effect/vitest"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync } from "node:fs"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { setTimeout as sleep } from "node:timers/promises"

const script = `
  import { server } from ${JSON.stringify(join(import.meta.dirname, "../postgres/Server.ts"))}
  import { query } from ${JSON.stringify(join(import.meta.dirname, "../postgres/Server.ts"))}
  import { Effect } from "effect"
  const made = await server()
  const [row] = await Effect.runPromise(
    query(made.url, "SELECT pg_backend_pid(), current_setting('data_directory') AS data")
  )
  console.log(row.data)
  setInterval(() => {}, 1000)
`

/** What is true soon. */
const soon = async (isTrue: () => boolean): Promise<boolean> => {
  for (let tries = 0; tries < 200 && !isTrue(); tries++) await sleep(50)
  return isTrue()
}

describe("what a test process has started", () => {
  it.each(["SIGINT", "SIGKILL"] as const)("ends with it, and leaves no files, also by %s", async (signal) => {
    const child = spawn(process.execPath, [
      "--conditions=tidemark-source",
      "--input-type=module-typescript",
      "-e",
      script
    ], {
      cwd: join(import.meta.dirname, "../.."),
      stdio: ["ignore", "pipe", "inherit"]
    })
    const [data] = await once(createInterface({ input: child.stdout }), "line") as [string]
    assert.isTrue(existsSync(join(data, "postmaster.pid")))
    child.kill(signal)
    assert.isTrue(await soon(() => !existsSync(data)))
  })
})
