import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Blob } from "../../src/storage/Blob.ts"
import { Log } from "../../src/storage/Log.ts"
import { directory, layerOf } from "../node/Temporary.ts"
import * as Judge from "./Judge.ts"
import * as Workload from "./Workload.ts"

// The reference workload in a process of its own, of whose system calls one fails: failing.c stands before those of the
// system. TIDEMARK_CRASHES=all: each call in turn, until there is none left to fail.

const isLong = process.env["TIDEMARK_CRASHES"] === "all"
const groups = Workload.make(3)
const child = join(import.meta.dirname, "Child.ts")

/** Of the kernel, where errors have the same numbers on every machine that Linux runs on. */
const errors = { EIO: 5, ENOSPC: 28, EINTR: 4 }

/** The library, or undefined where there is no compiler for it. */
const library = (() => {
  if (process.platform !== "linux") return undefined
  const path = join(fs.mkdtempSync(join(tmpdir(), "tidemark-failing-")), "failing.so")
  try {
    execFileSync("gcc", ["-shared", "-fPIC", "-O1", "-o", path, join(import.meta.dirname, "failing.c"), "-ldl"])
    return path
  } catch {
    console.warn("SKIPPED: failing system calls: there is no gcc")
    return undefined
  }
})()

interface Failing {
  readonly call: string
  readonly at: number
  readonly error: keyof typeof errors
}

/** Runs the workload with one call failing. Returns its account, and whether there was such a call. */
const run = (path: string, { at, call, error }: Failing) =>
  Effect.promise(async () => {
    const process_ = spawn(process.execPath, [child, path, "0", String(groups.length)], {
      stdio: ["ignore", "pipe", "pipe"],
      env: {
        ...process.env,
        LD_PRELOAD: library,
        FAIL_CALL: call,
        FAIL_AT: String(at),
        FAIL_ERRNO: String(errors[error]),
        FAIL_BELOW: path
      }
    })
    const said = { out: "", err: "" }
    process_.stdout.on("data", (chunk) => void (said.out += chunk))
    process_.stderr.on("data", (chunk) => void (said.err += chunk))
    await once(process_, "close")
    const last = said.out.split("\n").findLast((line) => line !== "") ?? "[]"
    return { account: JSON.parse(last) as Workload.Account, hasFailed: said.err.includes(`failed: ${call}`) }
  })

const judged = Effect.fnUntraced(function*(failing: Failing) {
  const path = join(yield* directory, "store")
  const { account, hasFailed } = yield* run(path, failing)
  const storage = Effect.map(
    Layer.build(Layer.fresh(layerOf(path, 4096))),
    (context) => Context.pick(Log, Blob)(context)
  )
  yield* Judge.judge(storage, Workload.allowed(groups, account))
  return hasFailed
}, Effect.scoped)

describe.skipIf(library === undefined)("a system call that fails", { timeout: isLong ? 3_600_000 : 600_000 }, () => {
  if (isLong) {
    const each = ["pwrite", "fsync", "rename", "link", "unlink"].flatMap((call) =>
      (["EIO", "ENOSPC", "EINTR"] as const).map((error) => ({ call, error }))
    )
    it.live.each(each)("$call with $error, each in turn", ({ call, error }) =>
      Effect.gen(function*() {
        let at = 1
        while (yield* judged({ call, error, at })) at++
        assert.isAbove(at, 3)
      }))
  } else {
    const some: ReadonlyArray<Failing> = [
      { call: "pwrite", at: 5, error: "EIO" },
      { call: "pwrite", at: 12, error: "ENOSPC" },
      { call: "pwrite", at: 20, error: "EINTR" },
      { call: "fsync", at: 9, error: "EIO" },
      { call: "fsync", at: 16, error: "ENOSPC" },
      { call: "rename", at: 2, error: "EIO" },
      { call: "link", at: 3, error: "ENOSPC" },
      { call: "unlink", at: 4, error: "EIO" }
    ]
    it.live.each(some)("$call $at with $error", (failing) =>
      Effect.gen(function*() {
        assert.isTrue(yield* judged(failing))
      }))
  }
})
