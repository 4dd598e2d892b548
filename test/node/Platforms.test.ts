/**
 * What storage asks of the file system on platforms that this machine is not: which calls, in which order, with which
 * flags. The calls are done by this machine.
 */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Stream } from "effect"
import fs from "node:fs"
import { join } from "node:path"
import { vi } from "vitest"
import type { FileStorage } from "../../src/node/index.ts"
import { Blob } from "../../src/storage/Blob.ts"
import { Log } from "../../src/storage/Log.ts"
import { directory, entry, inScope } from "./Temporary.ts"

interface Call {
  readonly name: string
  /** Of the file, as far as it was opened meanwhile. */
  readonly path: string
  /** With which it was opened. */
  readonly flags: number
}

type Function = (...args: ReadonlyArray<unknown>) => unknown

const { O_DSYNC, O_RDWR } = fs.constants
const byDescriptor = ["write", "writeSync", "fsync", "fdatasync", "fdatasyncSync", "ftruncate", "close"]

/** Notes all calls below a directory until the scope closes. */
const recorded = (root: string) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const real = { ...fs } as unknown as Record<string, Function>
      const calls: Array<Call> = []
      const files = new Map<unknown, Omit<Call, "name">>()
      const replaced: Record<string, Function> = {
        open: (path, flags, ...rest) => {
          const done = rest.at(-1) as Function
          return real["open"]!(path, flags, ...rest.slice(0, -1), (error: unknown, fd: number) => {
            if (String(path).startsWith(root)) {
              files.set(fd, { path: String(path).slice(root.length + 1), flags: Number(flags) })
              calls.push({ name: "open", ...files.get(fd)! })
            }
            done(error, fd)
          })
        }
      }
      for (const name of byDescriptor) {
        replaced[name] = (fd, ...rest) => {
          const file = files.get(fd)
          if (file !== undefined) calls.push({ name, ...file })
          if (name === "close") files.delete(fd)
          return real[name]!(fd, ...rest)
        }
      }
      for (const name of ["rename", "link", "unlink"]) {
        replaced[name] = (path, ...rest) => {
          calls.push({ name, path: String(path).slice(root.length + 1), flags: 0 })
          return real[name]!(path, ...rest)
        }
      }
      const originals = Object.fromEntries(Object.keys(replaced).map((name) => [name, real[name]]))
      Object.assign(fs, replaced)
      return { calls, originals }
    }),
    ({ originals }) => Effect.sync(() => void Object.assign(fs, originals))
  ).pipe(Effect.map(({ calls }) => calls))

/** The storage as a process on another platform has it. */
const on = (platform: NodeJS.Platform, options: FileStorage.Options) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const real = Object.getOwnPropertyDescriptor(process, "platform")!
      Object.defineProperty(process, "platform", { ...real, value: platform })
      vi.resetModules()
      const { FileStorage } = await import("../../src/node/index.ts")
      return { real, layer: FileStorage.layer(options) }
    }),
    ({ real }) =>
      Effect.sync(() => {
        Object.defineProperty(process, "platform", real)
        vi.resetModules()
      })
  ).pipe(
    Effect.flatMap(({ layer }) => Layer.build(layer)),
    Effect.map((context) => ({ log: Context.get(context, Log), blob: Context.get(context, Blob) }))
  )

const ofLog = (calls: ReadonlyArray<Call>): ReadonlyArray<Call> => calls.filter(({ path }) => /^(log|tmp)\//.test(path))

/** Appends once more when all is open, and returns the calls that this took. */
const appending = (platform: NodeJS.Platform, flush?: FileStorage.Options["flush"]) =>
  Effect.gen(function*() {
    const root = join(yield* directory, "store")
    const calls = yield* recorded(root)
    return yield* inScope(Effect.gen(function*() {
      const { log } = yield* on(platform, { directory: root, flush })
      const writer = yield* log.acquire
      yield* writer.append(0, [entry(0)])
      const from = calls.length
      yield* writer.append(1, [entry(1)])
      return ofLog(calls.slice(from))
    }))
  })

const names = (calls: ReadonlyArray<Call>): ReadonlyArray<string> => calls.map(({ name }) => name)

/** A program's whole life, on an existing store. */
const life = (platform: NodeJS.Platform, root: string) =>
  inScope(Effect.gen(function*() {
    const { blob, log } = yield* on(platform, { directory: root, segmentBytes: 2048 })
    const writer = yield* log.acquire
    const { upper } = writer.bounds
    for (let i = 0; i < 120; i++) yield* writer.append(upper + i, [entry(upper + i)])
    yield* writer.truncate(upper + 60)
    yield* writer.rotate
    yield* blob.put("a/b", entry(1))
    const reader = yield* on(platform, { directory: root })
    const { lower } = yield* reader.log.bounds
    assert.lengthOf(yield* Stream.runCollect(reader.log.read(lower)), upper + 120 - lower)
    yield* blob.delete("a/b")
  }))

describe("an append", () => {
  it.effect("on Linux is one write that flushes", () =>
    Effect.gen(function*() {
      const calls = yield* appending("linux")
      assert.deepStrictEqual(names(calls), ["write"])
      assert.notStrictEqual(calls[0]!.flags & O_DSYNC, 0)
    }))

  it.effect("on macOS is followed by a flush of the drive's cache, which no write includes there", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(names(yield* appending("darwin")), ["write", "fdatasync"])
    }))

  it.effect("on macOS is left in the drive's cache by those who accept that", () =>
    Effect.gen(function*() {
      const calls = yield* appending("darwin", "drive-cache")
      assert.deepStrictEqual(names(calls), ["write"])
      assert.notStrictEqual(calls[0]!.flags & O_DSYNC, 0)
    }))

  it.effect("on Windows, where there is no such flag, is followed by a flush", () =>
    Effect.gen(function*() {
      for (const flush of ["durable", "drive-cache"] as const) {
        const calls = yield* appending("win32", flush)
        assert.deepStrictEqual(names(calls), ["write", "fdatasync"])
        assert.strictEqual(calls[0]!.flags & O_DSYNC, 0)
      }
    }))

  it.effect("may block the event loop, and flushes as much", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(names(yield* appending("linux", "blocking")), ["writeSync"])
      assert.deepStrictEqual(names(yield* appending("darwin", "blocking")), ["writeSync", "fdatasyncSync"])
      assert.deepStrictEqual(names(yield* appending("win32", "blocking")), ["writeSync", "fdatasyncSync"])
    }))
})

describe("on Windows", () => {
  it.effect("no directory is opened to be flushed, and nothing is flushed that may not be written", () =>
    Effect.gen(function*() {
      const root = join(yield* directory, "store")
      const calls = yield* recorded(root)
      yield* life("win32", root)
      yield* life("win32", root)
      const isDirectory = ({ path }: Call): boolean => ["", "log", "blobs", "lock", "tmp", "blobs/a"].includes(path)
      assert.deepStrictEqual(calls.filter(isDirectory).filter(({ name }) => name !== "unlink"), [])
      const flushes = calls.filter(({ name }) => name === "fsync" || name === "fdatasync")
      assert.isAbove(flushes.length, 10)
      assert.deepStrictEqual(flushes.filter(({ flags }) => (flags & O_RDWR) === 0), [])
    }))

  it.effect("no file has a name that differs in case alone, or that may not be there, or makes a path long", () =>
    Effect.gen(function*() {
      const root = join(yield* directory, "store")
      const calls = yield* recorded(root)
      yield* life("win32", root)
      const paths = [...new Set(calls.map(({ path }) => path))]
      assert.isAbove(paths.length, 10)
      assert.strictEqual(new Set(paths.map((path) => path.toLowerCase())).size, paths.length)
      const isDevice = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i
      const isPlain = (name: string): boolean => /^[\w-](?:[\w.-]*[\w-])?$/.test(name) && !isDevice.test(name)
      assert.deepStrictEqual(paths.filter((path) => path !== "" && !path.split("/").every(isPlain)), [])
      // Node.js gives Windows every path in the form that may have more than 260 characters.
      assert.isBelow(Math.max(...paths.map((path) => path.length)), 60)
    }))

  it.live("a file that another process has open for a moment is renamed and removed a little later", () =>
    Effect.gen(function*() {
      const root = join(yield* directory, "store")
      yield* life("win32", root)
      const refused = new Map<string, number>()
      const { rename, unlink } = fs
      const twice = (name: string, code: string, call: Function): Function => (...args) => {
        const key = `${name} ${String(args[0])}`
        const count = (refused.get(key) ?? 0) + 1
        refused.set(key, count)
        if (count > 2) return call(...args)
        const done = args.at(-1) as (error: Error) => void
        process.nextTick(done, Object.assign(new Error(`${code}: operation not permitted, ${name}`), { code }))
      }
      Object.assign(fs, {
        rename: twice("rename", "EPERM", rename as Function),
        unlink: twice("unlink", "EBUSY", unlink as Function)
      })
      yield* Effect.ensuring(life("win32", root), Effect.sync(() => Object.assign(fs, { rename, unlink })))
      assert.isAbove(refused.size, 4)
    }))
})

describe("on macOS and Linux", () => {
  it.effect("directories are flushed", () =>
    Effect.gen(function*() {
      for (const platform of ["darwin", "linux"] as const) {
        const root = join(yield* directory, "store")
        const calls = yield* recorded(root)
        yield* life(platform, root)
        assert.isAbove(calls.filter(({ name, path }) => name === "fsync" && path === "log").length, 2)
        assert.isAbove(calls.filter(({ name, path }) => name === "fsync" && path === "blobs/a").length, 0)
      }
    }))
})

describe("an append that blocks", () => {
  it.effect("is unknown after an I/O error, and refused without a trace where the disk is full", () =>
    Effect.gen(function*() {
      for (const [code, tag] of [["EIO", "Indeterminate"], ["ENOSPC", "OutOfSpace"]] as const) {
        const root = join(yield* directory, "store")
        yield* inScope(Effect.gen(function*() {
          const { log } = yield* on("linux", { directory: root, flush: "blocking" })
          const writer = yield* log.acquire
          yield* writer.append(0, [entry(0)])
          const { writeSync } = fs
          Object.assign(fs, {
            writeSync: () => {
              throw Object.assign(new Error(`${code}: write`), { code })
            }
          })
          const error = yield* Effect.flip(writer.append(1, [entry(1)])).pipe(
            Effect.ensuring(Effect.sync(() => Object.assign(fs, { writeSync })))
          )
          assert.strictEqual(error._tag, tag)
          const again = yield* log.acquire
          assert.strictEqual(yield* again.append(1, [entry(2)]), 2)
          assert.lengthOf(yield* Stream.runCollect(log.read(0)), 2)
        }))
      }
    }))
})
