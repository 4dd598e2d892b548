import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { Blob } from "../../src/storage/Blob.ts"
import { Log } from "../../src/storage/Log.ts"
import * as Prng from "../../src/testing/Prng.ts"
import { directory, layerOf } from "../node/Temporary.ts"
import * as Runtimes from "../utils/Runtimes.ts"
import * as Judge from "./Judge.ts"
import * as Workload from "./Workload.ts"

// The reference workload in a process that is killed again and again, on each runtime. TIDEMARK_KILLS=200: more often.

const kills = Number(process.env["TIDEMARK_KILLS"] ?? 4)
const groups = Workload.make(kills * 20)
const script = join(import.meta.dirname, "Child.ts")

/** Runs the workload from a group on, kills it after so many lines, and returns the account that it gave. */
const life = (runtime: Runtimes.Runtime, path: string, first: number, lines: number) =>
  Effect.promise(async () => {
    const [command, ...args] = Runtimes.on(runtime, script)
    const child = spawn(command, [...args, path, String(first), String(groups.length)], {
      stdio: ["ignore", "pipe", "inherit"]
    })
    const ended = once(child, "close")
    let account: Workload.Account = []
    let left = lines
    for await (const line of createInterface({ input: child.stdout })) {
      account = JSON.parse(line) as Workload.Account
      if (--left === 0) child.kill("SIGKILL")
    }
    await ended
    return account
  })

describe.each(Runtimes.all)("a process on %s that is killed", (runtime) => {
  it.live.skipIf(!Runtimes.isInstalled(runtime))(
    "F119: loses nothing that was acknowledged, again and again",
    () =>
      Effect.gen(function*() {
        const path = join(yield* directory, "store")
        const storage = Effect.map(
          Layer.build(Layer.fresh(layerOf(path, 4096))),
          (context) => Context.pick(Log, Blob)(context)
        )
        const random = Prng.make(91)
        let state: Workload.Contents = new Map()
        let first = 0
        let acknowledged = 0
        for (let kill = 0; kill < kills; kill++) {
          const account = yield* life(runtime, path, first, 1 + random.int(50))
          assert.isNotEmpty(account)
          acknowledged += account.flat().filter((fate) => fate === "acknowledged").length
          state = yield* Judge.judge(storage, Workload.allowed(groups.slice(first), account, state))
          first += account.length
        }
        assert.isAbove(acknowledged, kills * 5)
      }),
    60_000 + kills * 20_000
  )
})
