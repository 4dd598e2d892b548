/**
 * File storage on a simulated disk: the real code of `src/node`, on functions that stand in for those of `node:fs`.
 *
 * Paths below `/simulated` belong to the simulated disk, all others to the real one. Each process of the simulation has
 * its own id, host name and descriptors; a call belongs to the process whose fiber makes it, and its answer comes as a
 * task of that process. What is written is seen at once, and stored when the write or the flush ends, some time later.
 * What is under way in a crash never ends. The functions are replaced for the whole of Node, so that one simulation at a
 * time may run.
 */
import { Context, Effect, Fiber, Layer, Random } from "effect"
import fs from "node:fs"
import { FileStorage } from "../../src/node/index.ts"
import * as LockHolder from "../../src/node/LockHolder.ts"
import { Blob } from "../../src/storage/Blob.ts"
import { Log } from "../../src/storage/Log.ts"
import * as Prng from "../../src/testing/Prng.ts"
import * as Machine from "../../src/testing/simulation/Machine.ts"
import type * as Simulation from "../../src/testing/simulation/Simulation.ts"
import * as Disk from "../../src/testing/storage/Disk.ts"
import * as Faults from "../../src/testing/storage/Faults.ts"
import * as DiskCalls from "./DiskCalls.ts"

const mount = "/simulated"
/** Where the store lies on the simulated disk. */
export const root = `${mount}/store`

export interface Options {
  readonly segmentBytes?: number
  /** A disk that says that it has flushed, and has not. */
  readonly lies?: boolean
  readonly directories?: Disk.Directories
  readonly lease?: FileStorage.Options["lease"]
}

/** A new disk, and file storage on it. */
export const make = (
  { directories, lease = "1 second", lies = false, segmentBytes = 8192 }: Options = {}
): Simulation.MakeStorage =>
  Effect.gen(function*() {
    const injector = yield* Faults.Injector
    const surroundings = yield* Effect.context<never>()
    const disk = Disk.make(directories)
    Disk.makeDirectory(disk, mount)
    Disk.flushDirectory(disk, disk.root)
    const system: DiskCalls.System = {
      disk,
      lies,
      injector,
      surroundings,
      random: Prng.make(yield* Random.nextInt),
      processes: new Map(),
      descriptors: new Map(),
      modified: new Map(),
      nextDescriptor: DiskCalls.firstDescriptor,
      boots: 0
    }
    yield* replaced(DiskCalls.functions(system))
    yield* seenBy(system)
    return {
      killed: Effect.sync(() => DiskCalls.forgetDead(system)),
      crash: Effect.sync(() => {
        system.boots++
        system.descriptors.clear()
        Disk.crash(disk, system.random)
      }),
      layer: Layer.effectContext(
        Layer.build(FileStorage.layer({ directory: root, segmentBytes, lease })).pipe(
          Effect.provideServiceEffect(LockHolder.Machine, machineOf(system)),
          // Without the worker thread, which no simulation can repeat.
          Effect.map((context) => Context.pick(Log, Blob)(context))
        )
      )
    }
  })

/** The machine of a simulated process, which boots again after each power failure. */
const machineOf = ({ boots }: DiskCalls.System): Effect.Effect<LockHolder.Machine> =>
  Effect.map(Machine.Self, (process) => {
    const host = process?.host ?? Machine.defaultHost
    return { host, bootId: `boot ${boots} of ${host}`, pidNamespace: "pid:[1]" }
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

const isOurs = (target: unknown): boolean =>
  typeof target === "number"
    ? target >= DiskCalls.firstDescriptor
    : String(target).startsWith(mount) || DiskCalls.processOfFile(String(target)) !== undefined

/** Lets each simulated process see its own id, and who else is alive, for the time of the scope. */
const seenBy = (system: DiskCalls.System) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const real = { pid: process.pid, kill: process.kill }
      const self = (): Machine.Process | undefined => {
        const fiber = Fiber.getCurrent()
        return fiber === undefined ? undefined : Context.get(fiber.context, Machine.Self)
      }
      Object.defineProperty(process, "pid", {
        configurable: true,
        get: () => {
          const running = self()
          return running === undefined ? real.pid : DiskCalls.pidOf(running)
        }
      })
      process.kill = (pid, signal) => {
        if (pid < DiskCalls.firstPid) return real.kill.call(process, pid, signal)
        if (system.processes.get(pid)?.isAlive() !== true) throw DiskCalls.errno("ESRCH")
        return true
      }
      return real
    }),
    ({ kill, pid }) =>
      Effect.sync(() => {
        Object.defineProperty(process, "pid", { configurable: true, enumerable: true, writable: false, value: pid })
        process.kill = kill
      })
  )
