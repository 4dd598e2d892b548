/**
 * The calls of `node:fs` on a simulated disk, as the processes of a simulation make them.
 *
 * Every call is a step that can be slow or fail, before or after its effect, and at which its process can be stopped.
 */
import { Context, Effect, Fiber } from "effect"
import fs from "node:fs"
import type * as Prng from "../../src/testing/Prng.ts"
import * as Machine from "../../src/testing/simulation/Machine.ts"
import * as Disk from "../../src/testing/storage/Disk.ts"
import type * as Faults from "../../src/testing/storage/Faults.ts"

/** Descriptors of the simulated disk are beyond those of the system. */
export const firstDescriptor = 1 << 20
/** So are the ids of simulated processes: no system gives out such. */
export const firstPid = 1 << 24

interface Descriptor {
  readonly node: Disk.Node
  readonly flushes: boolean
  readonly process: Machine.Process
}

export interface System {
  readonly disk: Disk.Disk
  readonly lies: boolean
  readonly injector: Faults.Injector["Service"]
  /** In which the system works: the caller may be stopped or dead. */
  readonly surroundings: Context.Context<never>
  readonly random: Prng.Prng
  /** Those that have made a call, by their id. */
  readonly processes: Map<number, Machine.Process>
  readonly descriptors: Map<number, Descriptor>
  /** When files were last said to have been modified, by their ids. */
  readonly modified: Map<number, bigint>
  nextDescriptor: number
  /** Counts power failures: what began before the last one never ends. */
  boots: number
}

type Done<A = void> = (error: NodeJS.ErrnoException | null, value?: A) => void

export const errno = (code: string, detail = "simulated"): NodeJS.ErrnoException =>
  Object.assign(new Error(`${code}: ${detail}`), { code })

export const pidOf = (process: Machine.Process): number => firstPid + process.number

/** The process whose state a path in `/proc` shows, if it is a simulated one. */
export const processOfFile = (path: string): number | undefined => {
  const pid = Number(/^\/proc\/(\d+)\/stat$/.exec(path)?.[1] ?? 0)
  return pid < firstPid ? undefined : pid
}

/** Closes what dead processes had open. */
export const forgetDead = ({ descriptors }: System): void => {
  for (const [descriptor, { process }] of descriptors) if (!process.isAlive()) descriptors.delete(descriptor)
}

const caller = ({ processes }: System): Machine.Process => {
  const fiber = Fiber.getCurrent()
  const process = fiber === undefined ? undefined : Context.get(fiber.context, Machine.Self)
  if (process === undefined) throw new Error("a call of the simulated disk that no simulated process makes")
  processes.set(pidOf(process), process)
  return process
}

/** What a call that is refused can fail with. */
const refusals = ["EIO", "ENOSPC", "EMFILE", "EACCES"]

interface Call<A> {
  readonly operation: Faults.Operation
  readonly done: Done<A>
  /** What is seen at once. */
  readonly begin: () => A
  /** What is true when the call ends. */
  readonly end?: (() => void) | undefined
  /** What a call that fails half-way has done. */
  readonly tear?: ((process: Machine.Process) => void) | undefined
}

const stopFor = (process: Machine.Process, millis: number): Effect.Effect<void> =>
  Effect.suspend(() => {
    process.stop()
    return Effect.andThen(Effect.sleep(millis), Effect.sync(process.wake))
  })

/** The program itself is never stopped: nothing else could wake it. */
const fateOf = ({ injector }: System, process: Machine.Process, operation: Faults.Operation): Faults.Fate => {
  const fate = injector.next(operation)
  return fate.kind === "stopped" && process.number === 0 ? { ...fate, kind: undefined } : fate
}

/** Makes a call for the process whose fiber runs now. */
const make = <A>(self: System, { begin, done, end, operation, tear }: Call<A>): void => {
  const process = caller(self)
  const boot = self.boots
  const { choice, delay, kind } = fateOf(self, process, operation)
  const isOver = (): boolean => boot !== self.boots || !process.isAlive()

  const answer = (error: NodeJS.ErrnoException | null, value?: A): void => {
    if (isOver()) return
    Effect.runForkWith(Context.merge(self.surroundings, process.context))(
      Effect.andThen(Effect.yieldNow, Effect.sync(() => boot === self.boots && done(error, value)))
    )
  }

  const work = Effect.gen(function*() {
    yield* Effect.yieldNow
    if (kind === "stopped" && choice % 2 === 0) yield* stopFor(process, delay)
    if (isOver()) return
    if (kind === "refused") return answer(errno(refusals[choice % refusals.length]!))
    if (kind === "unavailable" || kind === "full") {
      tear?.(process)
      return answer(errno(kind === "full" ? "ENOSPC" : "EIO"))
    }
    const value = begin()
    yield* kind === "slow" ? Effect.sleep(delay) : Effect.yieldNow
    if (isOver()) return
    end?.()
    if (kind === "stopped" && choice % 2 === 1) {
      process.stop()
      answer(null, value)
      yield* Effect.sleep(delay)
      return process.wake()
    }
    answer(kind === "broken" ? errno("EIO") : null, value)
  })
  Effect.runForkWith(self.surroundings)(
    Effect.catchDefect(work, (defect) =>
      defect instanceof Disk.DiskError
        ? Effect.sync(() => answer(errno(defect.code, defect.message)))
        : Effect.die(defect))
  )
}

const descriptorOf = ({ descriptors }: System, descriptor: number): Descriptor => {
  const found = descriptors.get(descriptor)
  if (found === undefined) throw new Error(`descriptor ${descriptor} is not open`)
  return found
}

const fileOf = (self: System, descriptor: number): Disk.File => {
  const { node } = descriptorOf(self, descriptor)
  if (node.kind !== "file") throw new Error(`descriptor ${descriptor} is not that of a file`)
  return node
}

const nodeAt = ({ disk }: System, path: string): Disk.Node => {
  const node = Disk.find(disk, path)
  if (node === undefined) throw new Disk.DiskError("ENOENT", path)
  return node
}

const sizeOf = (node: Disk.Node): number => node.kind === "file" ? node.seen.size : 0

const statusOf = ({ modified }: System, node: Disk.Node) => ({
  size: BigInt(sizeOf(node)),
  mtimeNs: modified.get(node.id) ?? 0n,
  ino: BigInt(node.id)
})

const open = (self: System, process: Machine.Process, path: string, flags: number): number => {
  const found = Disk.find(self.disk, path)
  if (found !== undefined && (flags & fs.constants.O_EXCL) !== 0) throw new Disk.DiskError("EEXIST", path)
  const node = found ?? ((flags & fs.constants.O_CREAT) === 0 ? nodeAt(self, path) : Disk.create(self.disk, path))
  if (node.kind === "file" && (flags & fs.constants.O_TRUNC) !== 0) Disk.truncate(node, 0)
  const flushes = (flags & fs.constants.O_DSYNC) !== 0 && !self.lies
  self.descriptors.set(self.nextDescriptor, { node, flushes, process })
  return self.nextDescriptor++
}

type Functions = Record<string, (...args: ReadonlyArray<never>) => unknown>

const onDescriptors = (self: System): Functions => {
  const sync = (descriptor: number, done: Done): void => {
    const { node } = descriptorOf(self, descriptor)
    make(self, {
      operation: node.kind === "directory" ? "sync directory" : "sync",
      done,
      begin: () => {},
      end: () => {
        if (node.kind === "directory") Disk.flushDirectory(self.disk, node)
        else if (!self.lies) Disk.flush(node)
      },
      tear: () => void (node.kind === "file" && Disk.flushBadly(node, self.random))
    })
  }
  return {
    fsync: sync,
    fdatasync: sync,
    // What is closed is closed whatever the answer.
    close: (descriptor: number, done: Done) => {
      self.descriptors.delete(descriptor)
      done(null)
    },
    fstat: (descriptor: number, ...rest: readonly [Done<object>] | readonly [object, Done<object>]) =>
      make(self, {
        operation: "stat",
        done: rest.at(-1) as Done<object>,
        begin: () => {
          const { node } = descriptorOf(self, descriptor)
          return rest.length === 1 ? { size: sizeOf(node), ino: node.id } : statusOf(self, node)
        }
      }),
    read: (descriptor: number, bytes: Uint8Array, at: number, length: number, offset: number, done: Done<number>) =>
      make(self, {
        operation: "read file",
        done,
        begin: () => {
          const found = Disk.read(fileOf(self, descriptor), offset, length)
          bytes.set(found, at)
          return found.length
        }
      }),
    write: (
      descriptor: number,
      bytes: Uint8Array,
      from: number,
      length: number,
      offset: number,
      done: Done<number>
    ) => {
      const file = fileOf(self, descriptor)
      const { flushes } = descriptorOf(self, descriptor)
      const write = (count: number): void => Disk.write(file, bytes.slice(from, from + count), offset)
      make(self, {
        operation: "write",
        done,
        begin: () => {
          write(length)
          return length
        },
        end: () => void (flushes && Disk.flush(file)),
        tear: () => write(Math.floor(length / 2))
      })
    },
    ftruncate: (descriptor: number, size: number, done: Done) =>
      make(self, { operation: "truncate file", done, begin: () => Disk.truncate(fileOf(self, descriptor), size) }),
    futimes: (descriptor: number, _accessed: number, modified: number, done: Done) =>
      make(self, {
        operation: "set times",
        done,
        begin: () => void self.modified.set(fileOf(self, descriptor).id, BigInt(Math.round(modified * 1e9)))
      })
  }
}

const onPaths = (self: System): Functions => {
  const { disk } = self
  return {
    open: (path: string, flags: number, _mode: number, done: Done<number>) => {
      const process = caller(self)
      make(self, { operation: "open", done, begin: () => open(self, process, path, flags) })
    },
    stat: (path: string, _options: object, done: Done<{ size: bigint; mtimeNs: bigint }>) =>
      make(self, {
        operation: "stat",
        done,
        begin: () => statusOf(self, nodeAt(self, path))
      }),
    rename: (from: string, to: string, done: Done) =>
      make(self, { operation: "rename", done, begin: () => Disk.rename(disk, from, to) }),
    link: (from: string, to: string, done: Done) =>
      make(self, { operation: "link", done, begin: () => Disk.link(disk, from, to) }),
    unlink: (path: string, done: Done) =>
      make(self, { operation: "remove", done, begin: () => Disk.remove(disk, path) }),
    readdir: (path: string, _options: object, done: Done<ReadonlyArray<object>>) =>
      make(self, {
        operation: "list directory",
        done,
        begin: () =>
          Disk.list(disk, path).map(([name, { kind }]) => ({ name, isDirectory: () => kind === "directory" }))
      }),
    mkdir: (path: string, _options: object, done: Done<string | undefined>) =>
      make(self, { operation: "make directory", done, begin: () => Disk.makeDirectory(disk, path) }),
    existsSync: (path: string) => Disk.find(disk, path) !== undefined,
    statSync: (path: string) => {
      const node = Disk.find(disk, path)
      if (node === undefined) throw errno("ENOENT")
      return { ino: BigInt(node.id), mtimeNs: 0n }
    },
    // A process from before the last power failure is recognised by its start time.
    readFileSync: (path: string) => {
      const { choice, kind } = self.injector.next("open")
      if (kind === "refused") throw errno(refusals[choice % refusals.length]!)
      const pid = processOfFile(path)!
      if (self.processes.get(pid)?.isAlive() !== true) throw errno("ENOENT")
      return `${pid} (node) S ${"0 ".repeat(18)}${self.boots}`
    },
    statfs: (_path: string, done: Done<{ bavail: number; bsize: number }>) =>
      make(self, { operation: "stat", done, begin: () => ({ bavail: 2 ** 40, bsize: 1 }) }),
    watch: () => {
      throw errno("ENOSYS")
    }
  }
}

/** What stands for the functions of `node:fs` of the same names. */
export const functions = (self: System): Functions => ({ ...onDescriptors(self), ...onPaths(self) })
