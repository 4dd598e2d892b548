import { Context, Effect, Exit, Layer, Scope, Stream } from "effect"
import fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { FileStorage } from "../../src/node/index.ts"
import type * as LockHolder from "../../src/node/LockHolder.ts"
import type { Blob } from "../../src/storage/Blob.ts"
import { Log, type Writer } from "../../src/storage/Log.ts"

const directoryIn = (parent: string) =>
  Effect.acquireRelease(
    Effect.sync(() => fs.mkdtempSync(join(parent, "tidemark-"))),
    (path) => Effect.sync(() => fs.rmSync(path, { recursive: true, force: true }))
  )

/** A directory that is removed with the scope. */
export const directory = directoryIn(tmpdir())

/** One in memory, where the machine has such a place: for thousands of small files that no test loses the power of. */
export const inMemory = directoryIn(fs.existsSync("/dev/shm") ? "/dev/shm" : tmpdir())

export const layerOf = (directory: string, segmentBytes?: number): Layer.Layer<Log | Blob> =>
  FileStorage.layer({ directory, segmentBytes })

export const makeStore = (segmentBytes?: number) =>
  Effect.map(directory, (path) => layerOf(join(path, "store"), segmentBytes))

/** A new opener of the directory's log, as another process would be. */
export const openLog = (directory: string, segmentBytes?: number): Effect.Effect<Log["Service"], never, Scope.Scope> =>
  openStore({ directory, segmentBytes })

export const openStore = (options: FileStorage.Options): Effect.Effect<Log["Service"], never, Scope.Scope> =>
  Effect.map(Layer.build(Layer.fresh(FileStorage.layer(options))), (context) => Context.get(context, Log))

/** A machine of which no other one can see the processes. */
export const machine = (host: string): LockHolder.Machine => ({
  host,
  bootId: `the boot of ${host}`,
  pidNamespace: "pid:[1]"
})

/** Runs in a scope of its own, so that what it opens is closed when it is done. */
export const inScope = <A, E, R>(
  effect: Effect.Effect<A, E, R | Scope.Scope>
): Effect.Effect<A, E, Exclude<R, Scope.Scope>> =>
  Effect.acquireUseRelease(
    Scope.make(),
    (scope) => Scope.provide(effect, scope),
    (scope) => Scope.close(scope, Exit.void)
  )

export const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

/** Entry `i` is the text `entry i`, so that contents tell positions. */
export const entry = (i: number): Uint8Array => new TextEncoder().encode(`entry ${i}`)

export const append = (writer: Writer, from: number, to: number) =>
  Effect.gen(function*() {
    for (let i = from; i < to; i++) yield* writer.append(i, [entry(i)])
  })

export const readTexts = (log: Log["Service"], from: number) =>
  Effect.map(Stream.runCollect(log.read(from)), (entries) => entries.map(({ bytes }) => text(bytes)))

export const texts = (from: number, to: number): ReadonlyArray<string> =>
  Array.from({ length: to - from }, (_, i) => `entry ${from + i}`)

export const segments = (directory: string): ReadonlyArray<string> =>
  fs.readdirSync(join(directory, "log")).toSorted().map((name) => join(directory, "log", name))

/** The directory as a crash of its writer at this moment would leave it. */
export const crashed = (from: string, to: string): string => {
  fs.rmSync(to, { recursive: true, force: true })
  fs.cpSync(from, to, { recursive: true })
  for (const name of fs.readdirSync(join(to, "lock"))) fs.rmSync(join(to, "lock", name))
  return to
}
