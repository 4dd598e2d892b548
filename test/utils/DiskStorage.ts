/**
 * File storage on a simulated disk: the real code of `src/node`, on functions that stand in for those of `node:fs`.
 *
 * Paths below `/simulated` belong to the simulated disk, all others to the real one. What is written is
 * seen at once, and stored when the write or the flush ends, some time later. What is under way in a crash never ends.
 * The functions are replaced for the whole process, so that one simulation at a time may run.
 */
import { Context, Effect, Layer, Random } from "effect"
import fs from "node:fs"
import { FileStorage } from "../../src/node/index.ts"
import { Blob } from "../../src/storage/Blob.ts"
import { Log } from "../../src/storage/Log.ts"
import * as Disk from "../../src/testing/Disk.ts"
import * as Faults from "../../src/testing/Faults.ts"
import * as Prng from "../../src/testing/Prng.ts"
import type * as Simulation from "../../src/testing/Simulation.ts"

const mount = "/simulated"
/** Descriptors of the simulated disk are beyond those of the system. */
const firstDescriptor = 1 << 20

type Done<A = void> = (error: NodeJS.ErrnoException | null, value?: A) => void

interface Descriptor {
  readonly node: Disk.Node
  readonly flushes: boolean
}

interface Machine {
  readonly disk: Disk.Disk
  readonly random: Prng.Prng
  /** Counts how often its processes died: what began before the last time never ends. */
  boots: number
  readonly lies: boolean
  readonly descriptors: Map<number, Descriptor>
  nextDescriptor: number
}

export interface Options {
  readonly segmentBytes?: number
  /** A disk that says that it has flushed, and has not. */
  readonly lies?: boolean
}

/** A new disk, and file storage on it. One process at a time may use it, besides the program itself. */
export const make = ({ lies = false, segmentBytes = 8192 }: Options = {}): Simulation.MakeStorage =>
  Effect.gen(function*() {
    const injector = yield* Faults.Injector
    const surroundings = yield* Effect.context<never>()
    const begin = (task: () => void, delay: number) =>
      Effect.runForkWith(surroundings)(
        Effect.andThen(delay > 0 ? Effect.sleep(delay) : Effect.yieldNow, Effect.sync(task))
      )
    const disk = Disk.make()
    Disk.makeDirectory(disk, mount)
    Disk.flushDirectory(disk, disk.root)
    const machine: Machine = {
      disk,
      random: Prng.make(yield* Random.nextInt),
      boots: 0,
      lies,
      descriptors: new Map(),
      nextDescriptor: firstDescriptor
    }
    yield* replaced(functions(machine, injector, begin))
    const killed = Effect.sync(() => {
      machine.boots++
      machine.descriptors.clear()
    })
    return {
      killed,
      crash: Effect.andThen(killed, Effect.sync(() => Disk.crash(disk, machine.random))),
      layer: Layer.effectContext(Effect.map(
        Layer.build(FileStorage.layer({ directory: `${mount}/store`, segmentBytes })),
        // Without the worker thread, which no simulation can repeat.
        (context) => Context.pick(Log, Blob)(context)
      ))
    }
  })

/** Replaces functions of `node:fs` for the time of the scope, where they are asked for what is on the simulated disk. */
const replaced = (simulated: Record<string, (...args: ReadonlyArray<never>) => unknown>) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const real = { ...fs } as Record<string, unknown>
      const names = Object.keys(simulated)
      for (const name of names) {
        const original = real[name] as (...args: ReadonlyArray<unknown>) => unknown
        const replacement = simulated[name] as (...args: ReadonlyArray<unknown>) => unknown
        Object.assign(fs, {
          [name]: (...args: ReadonlyArray<unknown>) => (isOurs(args[0]) ? replacement : original)(...args)
        })
      }
      return Object.fromEntries(names.map((name) => [name, real[name]]))
    }),
    (originals) => Effect.sync(() => Object.assign(fs, originals))
  )

const processFile = `/proc/${process.pid}/stat`

const isOurs = (target: unknown): boolean =>
  typeof target === "number" ? target >= firstDescriptor : String(target).startsWith(mount) || target === processFile

const errno = (code: string, detail = "simulated"): NodeJS.ErrnoException =>
  Object.assign(new Error(`${code}: ${detail}`), { code })

const functions = (
  self: Machine,
  injector: Faults.Injector["Service"],
  begin: (task: () => void, delay: number) => unknown
): Record<string, (...args: ReadonlyArray<never>) => unknown> => {
  const { descriptors, disk, random } = self

  /** Ends an operation later, with the result of `end`, unless the power fails before. */
  const later = <A>(done: Done<A>, end: () => A, delay = 0): void => {
    const boot = self.boots
    begin(() => {
      if (boot !== self.boots) return
      let result: A
      try {
        result = end()
      } catch (error) {
        if (error instanceof Disk.DiskError) return done(errno(error.code, error.message))
        throw error
      }
      done(null, result)
    }, delay)
  }

  const fail = (done: Done<never>, code: string): void => {
    const boot = self.boots
    begin(() => boot === self.boots && done(errno(code)), 0)
  }

  const fileOf = (descriptor: number): Disk.File => {
    const node = descriptors.get(descriptor)?.node
    if (node?.kind !== "file") throw new Error(`descriptor ${descriptor} is not that of a file`)
    return node
  }

  const nodeAt = (path: string): Disk.Node => {
    const node = Disk.find(disk, path)
    if (node === undefined) throw new Disk.DiskError("ENOENT", path)
    return node
  }

  const open = (path: string, flags: number): number => {
    const found = Disk.find(disk, path)
    if (found !== undefined && (flags & fs.constants.O_EXCL) !== 0) throw new Disk.DiskError("EEXIST", path)
    const node = found ?? ((flags & fs.constants.O_CREAT) === 0 ? nodeAt(path) : Disk.create(disk, path))
    if (node.kind === "file" && (flags & fs.constants.O_TRUNC) !== 0) Disk.truncate(node, 0)
    descriptors.set(self.nextDescriptor, { node, flushes: (flags & fs.constants.O_DSYNC) !== 0 && !self.lies })
    return self.nextDescriptor++
  }

  const write = (
    descriptor: number,
    bytes: Uint8Array,
    from: number,
    length: number,
    offset: number,
    done: Done<number>
  ): void => {
    const file = fileOf(descriptor)
    const { flushes } = descriptors.get(descriptor)!
    const { delay, kind } = injector.next("write")
    const failed = kind === "unavailable" ? "EIO" : kind === "full" ? "ENOSPC" : undefined
    Disk.write(file, bytes.slice(from, from + (failed === undefined ? length : Math.floor(length / 2))), offset)
    if (failed !== undefined) return fail(done, failed)
    later(done, () => {
      if (flushes) Disk.flush(file)
      return length
    }, kind === "slow" ? delay : 0)
  }

  const store = (node: Disk.Node): void => {
    if (node.kind === "directory") Disk.flushDirectory(disk, node)
    else if (!self.lies) Disk.flush(node)
  }

  const sync = (descriptor: number, done: Done): void => {
    const { node } = descriptors.get(descriptor)!
    const { delay, kind } = injector.next("sync")
    if (kind === "unavailable") {
      if (node.kind === "file") Disk.flushBadly(node, random)
      return fail(done, "EIO")
    }
    later(
      done,
      () => store(node),
      kind === "slow" ? delay : 0
    )
  }

  return {
    open: (path: string, flags: number, _mode: number, done: Done<number>) => later(done, () => open(path, flags)),
    close: (descriptor: number, done: Done) => later(done, () => void descriptors.delete(descriptor)),
    fstat: (descriptor: number, ...rest: readonly [Done<object>] | readonly [object, Done<object>]) =>
      later(rest.at(-1) as Done<object>, () => {
        const { id, seen: { size } } = fileOf(descriptor)
        return rest.length === 1 ? { size, ino: id } : { size: BigInt(size), ino: BigInt(id) }
      }),
    stat: (path: string, _options: object, done: Done<{ size: bigint; mtimeNs: bigint; ino: bigint }>) =>
      later(done, () => {
        const node = nodeAt(path)
        return { size: BigInt(node.kind === "file" ? node.seen.size : 0), mtimeNs: 0n, ino: BigInt(node.id) }
      }),
    read: (
      descriptor: number,
      bytes: Uint8Array,
      at: number,
      length: number,
      offset: number,
      done: Done<number>
    ) =>
      later(done, () => {
        const found = Disk.read(fileOf(descriptor), offset, length)
        bytes.set(found, at)
        return found.length
      }),
    write,
    fsync: sync,
    fdatasync: sync,
    ftruncate: (descriptor: number, size: number, done: Done) =>
      later(done, () => Disk.truncate(fileOf(descriptor), size)),
    rename: (from: string, to: string, done: Done) => later(done, () => Disk.rename(disk, from, to)),
    link: (from: string, to: string, done: Done) => later(done, () => Disk.link(disk, from, to)),
    rm: (path: string, _options: object, done: Done) =>
      later(done, () => Disk.find(disk, path) === undefined ? undefined : Disk.remove(disk, path)),
    readdir: (path: string, _options: object, done: Done<ReadonlyArray<object>>) =>
      later(
        done,
        () => Disk.list(disk, path).map(([name, { kind }]) => ({ name, isDirectory: () => kind === "directory" }))
      ),
    mkdir: (path: string, _options: object, done: Done<string | undefined>) =>
      later(done, () => Disk.makeDirectory(disk, path)),
    existsSync: (path: string) => Disk.find(disk, path) !== undefined,
    // A process that was there before the last power failure is told by its start time.
    readFileSync: () => `${process.pid} (node) S ${"0 ".repeat(18)}${self.boots}`,
    watch: () => {
      throw errno("ENOSYS")
    }
  }
}
