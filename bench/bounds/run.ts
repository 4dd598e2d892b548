/**
 * One measurement of the bounds, in a process of its own: many collections, opening them, large values, many subscribers, or a
 * long history. Sends its figures to its parent.
 */
import { Effect, Fiber, Layer, ManagedRuntime, Stream } from "effect"
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

const rowsAt = (time: number, first: number, count: number) =>
  Array.from({ length: count }, (_, i) => Update.insert(`row ${first + i}`, `${time} ${"text ".repeat(20)}`, time))

/** Of these the store is seen at rest. */
const rests: ReadonlySet<string> = new Set(["write", "large"])

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
  }),
  /** Commits of a thousand rows, until the last subscriber has the last of them. */
  subscribe: Effect.fnUntraced(function*(
    persist: PersistClient.PersistClient["Service"],
    subscribers: number,
    commits: number
  ) {
    const { reader, writer } = yield* persist.createOrLoad("rows", text)
    yield* writer.seal(1)
    const followers = yield* Effect.forEach(
      Array.from({ length: subscribers }),
      () =>
        reader.subscribe({ from: 1 }).pipe(
          Stream.takeUntil((event) => event._tag === "Progress" && event.frontier > commits),
          Stream.runDrain,
          Effect.forkChild
        )
    )
    yield* Effect.sleep("200 millis")
    const before = cpuSeconds()
    for (let time = 1; time <= commits; time++) {
      yield* writer.append(rowsAt(time, 0, 1_000))
      yield* writer.seal(time + 1)
    }
    yield* Effect.forEach(followers, Fiber.join, { discard: true })
    return cpuSeconds() - before
  }),
  /** A history of which everything is kept. */
  grow: Effect.fnUntraced(function*(persist: PersistClient.PersistClient["Service"], keys: number, updates: number) {
    const { writer } = yield* persist.createOrLoad("rows", text)
    const before = cpuSeconds()
    for (let i = 0; i < updates; i += 1_000) {
      yield* writer.append(rowsAt(i / 1_000, i % keys, Math.min(1_000, keys)))
      yield* writer.seal(i / 1_000 + 1)
    }
    return cpuSeconds() - before
  }),
  /** Opening, and the first row. */
  reopen: Effect.fnUntraced(
    function*(persist: PersistClient.PersistClient["Service"], _keys: number, _updates: number) {
      const { reader } = yield* persist.createOrLoad("rows", text)
      yield* reader.get("row 1")
      return cpuSeconds() - begun
    }
  )
}

const [what, directory, count, writes] = process.argv.slice(2) as [keyof typeof program, string, string, string]
const begun = cpuSeconds()
const delay = monitorEventLoopDelay({ resolution: 1 })
const runtime = ManagedRuntime.make(
  PersistClient.layer({ grace: 0 }).pipe(Layer.provide(FileStorage.layer({ directory })))
)
const persist = await runtime.runPromise(PersistClient.PersistClient)
delay.enable()
const work: Effect.Effect<number, unknown> = program[what](persist, Number(count), Number(writes ?? 0))
const cpu = await runtime.runPromise(work)
const idle = rests.has(what) ? await idleShare() : 0
const files = filesOf(directory)
const memory = process.resourceUsage().maxRSS * 1024
await runtime.dispose()
process.send!({ cpu, files, idle, hold: delay.max / 1e6, memory } satisfies Figures)
process.disconnect()
