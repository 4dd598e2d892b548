import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import fs from "node:fs"
import { join } from "node:path"
import { Blob } from "../../src/storage/Blob.ts"
import { Log } from "../../src/storage/Log.ts"
import { directory, layerOf } from "../node/Temporary.ts"
import * as Store from "../utils/Store.ts"
import * as Judge from "./Judge.ts"
import * as Workload from "./Workload.ts"

// The reference workload on a file system whose directories fail: each call that opens, flushes or renames in one, once
// or many times in a row, with or without having done what was asked. Then the store is judged.
// TIDEMARK_CRASHES=all: every rename, too.

const isLong = process.env["TIDEMARK_CRASHES"] === "all"

type Done = (error: NodeJS.ErrnoException | null, value?: unknown) => void
type Call = (...args: ReadonlyArray<unknown>) => void

interface Failing {
  readonly call: "open" | "fsync" | "rename"
  /** The first call that fails, from 1. */
  readonly at: number
  readonly times: number
  /** Whether the calls that fail have done it. */
  readonly isDone: boolean
}

const failure = () => Object.assign(new Error("EIO: injected"), { code: "EIO" })

/** Lets calls fail, for the time of a scope. Returns how many calls of the kind there were so far. */
const failing = ({ at, call, isDone, times }: Failing) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => {
        const real = fs[call] as unknown as Call
        const counter = { count: 0 }
        const replaced: Call = (...args) => {
          if (!isOfDirectory(call, args[0]) || !isFailing(++counter.count, at, times)) return real(...args)
          const done = args.at(-1) as Done
          if (!isDone) return setImmediate(done, failure())
          real(...args.slice(0, -1), (_: unknown, value: unknown) => {
            if (call === "open") fs.closeSync(value as number)
            done(failure())
          })
        }
        Object.assign(fs, { [call]: replaced })
        return { counter, real }
      }),
      ({ real }) => Effect.sync(() => Object.assign(fs, { [call]: real }))
    ),
    ({ counter }) => counter
  )

const isFailing = (count: number, at: number, times: number): boolean => count >= at && count < at + times

const isOfDirectory = (call: Failing["call"], which: unknown): boolean => {
  if (call === "rename") return true
  try {
    return (call === "open" ? fs.statSync(which as string) : fs.fstatSync(which as number)).isDirectory()
  } catch {
    return false
  }
}

/** Nothing loses its power here, so that nothing needs to be flushed. */
const withoutFlushes = Effect.acquireRelease(
  Effect.sync(() => {
    const { fdatasync, fsync, open } = fs
    const skip = (_: number, done: Done) => void setImmediate(done, null)
    const openPlainly: Call = (path, flags, ...rest) =>
      (open as unknown as Call)(path, Number(flags) & ~fs.constants.O_DSYNC, ...rest)
    Object.assign(fs, { fsync: skip, fdatasync: skip, open: openPlainly })
    return { fdatasync, fsync, open }
  }),
  (originals) => Effect.sync(() => Object.assign(fs, originals))
)

const storageOf = (path: string) =>
  Effect.map(
    Layer.build(Layer.fresh(layerOf(path, 2048))),
    (context) => Context.pick(Log, Blob)(context)
  )

const groups = Workload.make(3)

const judged = (failures: Failing) =>
  Effect.scoped(Effect.gen(function*() {
    const path = join(yield* directory, "store")
    const account: Workload.Account = []
    const count = yield* Store.inScope(Effect.gen(function*() {
      const counter = yield* failing(failures)
      const run = Effect.flatMap(
        Effect.flatMap(storageOf(path), (storage) => Store.client(storage, Store.tiny)),
        (client) => Workload.run(client, groups, account)
      )
      yield* Effect.exit(Effect.scoped(run))
      return counter.count
    }))
    yield* Judge.judge(storageOf(path), Workload.allowed(groups, account)).pipe(
      Effect.catchCause((cause) => Effect.die(new Error(`${JSON.stringify(failures)}: ${String(cause)}`)))
    )
    return count
  }))

describe("a directory that fails", { timeout: 1_200_000 }, () => {
  it.live.each(
    [
      { call: "open", isDone: false, step: 1 },
      { call: "fsync", isDone: false, step: 1 },
      { call: "rename", isDone: false, step: 3 },
      { call: "rename", isDone: true, step: 3 }
    ] as const
  )(
    "at any $call of the reference workload, once or twelve times in a row (done: $isDone)",
    ({ call, isDone, step }) =>
      Effect.gen(function*() {
        yield* withoutFlushes
        let most = 0
        for (const times of [1, 12]) {
          for (let at = 1; at <= 30; at += isLong ? 1 : step) {
            most = Math.max(most, yield* judged({ call, isDone, at, times }))
          }
        }
        assert.isAbove(most, 10)
      })
  )
})
