/**
 * Platforms on which no write can flush: there each is followed by a flush of its own.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import fs from "node:fs"
import { join } from "node:path"
import { vi } from "vitest"
import * as LogContract from "../../src/testing/storage/LogContract.ts"
import { append, crashed, directory, entry, makeStore, openLog, readTexts, texts } from "./Temporary.ts"

vi.mock("node:fs", async (original) => {
  const { default: real } = await original<{ default: typeof fs }>()
  const { O_DSYNC: _, ...constants } = real.constants
  return { default: { ...real, constants } }
})

const failing = (error: string) => (_: number, done: (error: Error) => void) =>
  done(Object.assign(new Error(error), { code: error }))

/** Replaces `fs.fdatasync` until the scope closes. */
const withFlush = (replace: (flush: typeof fs.fdatasync) => unknown) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const { fdatasync } = fs
      Object.assign(fs, { fdatasync: replace(fdatasync) })
      return fdatasync
    }),
    (fdatasync) => Effect.sync(() => Object.assign(fs, { fdatasync }))
  )

describe("log_impl_test: files, on a platform on which no write can flush", () => {
  for (const { name, run } of LogContract.tests(makeStore())) it.effect(name, () => run)
})

describe("a platform on which no write can flush", () => {
  it.effect("flushes after each append, before it is acknowledged", () =>
    Effect.gen(function*() {
      const root = yield* directory
      const path = join(root, "store")
      const writer = yield* (yield* openLog(path)).acquire
      let flushes = 0
      yield* withFlush((flush) => (fd: number, done: fs.NoParamCallback) => {
        flushes++
        flush(fd, done)
      })
      for (let i = 0; i < 5; i++) {
        yield* writer.append(i, [entry(i)])
        assert.strictEqual(flushes, i + 1)
      }
      assert.deepStrictEqual(yield* readTexts(yield* openLog(crashed(path, join(root, "copy"))), 0), texts(0, 5))
    }))

  it.effect("does not acknowledge what it could not flush", () =>
    Effect.gen(function*() {
      const log = yield* openLog(join(yield* directory, "store"))
      const writer = yield* log.acquire
      yield* append(writer, 0, 3)
      yield* Effect.scoped(Effect.gen(function*() {
        yield* withFlush(() => failing("EIO"))
        assert.strictEqual((yield* Effect.flip(writer.append(3, [entry(3)])))._tag, "Indeterminate")
      }))
      assert.deepStrictEqual(yield* readTexts(log, 0), texts(0, 3))
    }))
})
