/**
 * One measurement of the bounds, in a process of its own: many collections, opening them, or large values. Sends its figures to
 * its parent.
 */
import { Effect, Layer, ManagedRuntime } from "effect"
import { monitorEventLoopDelay } from "node:perf_hooks"
import { setTimeout } from "node:timers/promises"
import { Codec, PersistClient, Update } from "../../src/index.ts"
import { FileStorage } from "../../src/node/index.ts"
import { filesOf } from "../Measure.ts"

export interface Figures {
  /** Seconds of processor time. */
  readonly cpu: number
  readonly files: number
  /** The share of a core that the store takes when nothing is done. */
  readonly idle: number
  readonly hold: number
  readonly memory: number
}

const cpuSeconds = (): number => {
  const { system, user } = process.cpuUsage()
  return (system + user) / 1e6
}

const idleMillis = 5_000

/**
 * The share of a core that is used, once what is due after the last write is done. The monitor of the event loop is off by
 * then: it wakes up a thousand times a second.
 */
const idleShare = async (): Promise<number> => {
  await setTimeout(idleMillis)
  delay.disable()
  const before = cpuSeconds()
  await setTimeout(idleMillis)
  return (cpuSeconds() - before) / (idleMillis / 1000)
}

const text = { key: Codec.string, value: Codec.string }
const unbounded = { concurrency: "unbounded", discard: true } as const
/** Writes that are under way at the same time. */
const inFlight = 64

/** One for all: making them is the work of an application. */
const largeValue = new Uint8Array(16 * 1024 * 1024 - 64).fill(7)

const program = {
  write: Effect.fnUntraced(function*(persist: PersistClient.PersistClient["Service"], count: number, writes: number) {
    const handles = yield* Effect.forEach(
      Array.from({ length: count }, (_, i) => `session ${i}`),
      (name) => persist.createOrLoad(name, text),
      { concurrency: "unbounded" }
    )
    const before = cpuSeconds()
    for (let i = 0; i < writes; i += inFlight) {
      yield* Effect.forEach(
        Array.from({ length: inFlight }, (_, j) => i + j),
        (n) => handles[(n * 7_919) % count]!.writer.append([Update.insert(`part ${n}`, "text ".repeat(20), n)]),
        unbounded
      )
    }
    return cpuSeconds() - before
  }),
  open: Effect.fnUntraced(function*(persist: PersistClient.PersistClient["Service"], _count: number, _writes: number) {
    yield* persist.descriptions
    return cpuSeconds() - begun
  }),
  large: Effect.fnUntraced(function*(persist: PersistClient.PersistClient["Service"], count: number, _writes: number) {
    const { writer } = yield* persist.createOrLoad("large", { key: Codec.string, value: Codec.bytes })
    const before = cpuSeconds()
    for (let i = 0; i < count; i++) {
      largeValue[0] = i
      yield* writer.append([Update.insert(`value ${i}`, largeValue, i)])
      yield* writer.seal(i + 1)
    }
    yield* writer.allowCompaction(count)
    return cpuSeconds() - before
  })
}

const [what, directory, count, writes] = process.argv.slice(2) as [keyof typeof program, string, string, string]
const begun = cpuSeconds()
const delay = monitorEventLoopDelay({ resolution: 1 })
const runtime = ManagedRuntime.make(
  PersistClient.layer({ grace: 0 }).pipe(Layer.provide(FileStorage.layer({ directory })))
)
const persist = await runtime.runPromise(PersistClient.PersistClient)
delay.enable()
const cpu = await runtime.runPromise(program[what](persist, Number(count), Number(writes ?? 0)))
const idle = what === "open" ? 0 : await idleShare()
const files = filesOf(directory)
const memory = process.resourceUsage().maxRSS * 1024
await runtime.dispose()
process.send!({ cpu, files, idle, hold: delay.max / 1e6, memory } satisfies Figures)
process.disconnect()
