/**
 * Rivals: processes that take one store on a simulated disk from each other, while it fails, and a judge.
 *
 * Each opens the store, writes, and closes it, again and again, with limits so tiny that merges, flushes of a part and new
 * segments come all the time. A person removes lock files, as the documentation says one may; processes are stopped
 * and woken, killed and started again, clocks are set, and the power fails.
 */
import { Cause, Effect, Exit, Logger, Random, Schedule, Stream } from "effect"
import { join } from "node:path"
import type { CollectionWriter } from "../../../src/client/CollectionWriter.ts"
import * as PersistClient from "../../../src/client/PersistClient.ts"
import * as Codec from "../../../src/Codec.ts"
import * as File from "../../../src/node/File.ts"
import * as Merger from "../../../src/runtime/Merger.ts"
import * as Simulation from "../../../src/testing/simulation/Simulation.ts"
import * as Faults from "../../../src/testing/storage/Faults.ts"
import * as Update from "../../../src/Update.ts"
import * as DiskStorage from "../../utils/DiskStorage.ts"

const text = { key: Codec.string, value: Codec.string }

const limits: PersistClient.Options = {
  maintenance: Schedule.spaced("150 millis"),
  grace: 0,
  memoryBytes: 2_000,
  logBytes: 4_000,
  inlineBytes: 600,
  reclaimBytes: 300,
  partBytes: 2_000,
  cacheBytes: 4_000
}

export interface Options {
  readonly steps: number
  /** How many processes want the store. One alone keeps it for as long as it lives. */
  readonly rivals: number
  /** On so many hosts, which cannot look each other's processes up. 1 if absent. */
  readonly hosts?: number
  /** If given, merges die at random, and each death is reported to it. */
  readonly onMergeDeath?: () => void
}

type Fate = "acknowledged" | "refused" | "open"

interface World {
  /** What is known of each write, by its key. */
  readonly fates: Map<string, Fate>
  readonly problems: Array<string>
  isOver: boolean
}

/** What a rival may meet; anything else is a violation. */
const expected = new Set([
  "Unavailable",
  "OutOfSpace",
  "Indeterminate",
  "Fenced",
  "Locked",
  "Closed",
  "AccessDenied",
  "TimeSealed"
])

const isRefusal = (tag: string): boolean => tag !== "Indeterminate"

const tagOf = (error: unknown): string => (error as { readonly _tag?: string })._tag ?? String(error)

/** Notes what may not happen, whatever it was. */
const watching = <A, E, R>(world: World, who: string, effect: Effect.Effect<A, E, R>) =>
  Effect.flatMap(Effect.exit(effect), (exit) =>
    Effect.sync(() => {
      if (Exit.isFailure(exit) && !Cause.hasInterruptsOnly(exit.cause)) {
        const error = Cause.squash(exit.cause)
        if (!expected.has(tagOf(error))) world.problems.push(`${who}: ${String(error)}`)
      }
      return exit
    }))

/** Values of all sizes: in a frame, beyond what a commit holds inline, beyond a segment. */
const valueSizes = [0, 10, 100, 700, 1_500, 9_000]

const write = Effect.fnUntraced(function*(world: World, handle: CollectionWriter<string, string>) {
  const key = `k${world.fates.size}`
  world.fates.set(key, "open")
  const value = "x".repeat(valueSizes[yield* Random.nextIntBetween(0, valueSizes.length - 1)]!)
  const exit = yield* watching(world, "write", handle.append([Update.insert(key, value, Number.MAX_SAFE_INTEGER - 1)]))
  if (Exit.isSuccess(exit)) world.fates.set(key, "acknowledged")
  else if (!Cause.hasInterruptsOnly(exit.cause) && isRefusal(tagOf(Cause.squash(exit.cause)))) {
    world.fates.set(key, "refused")
  }
  return Exit.isSuccess(exit)
})

/** Opens the store, writes for a while, closes it. */
const tenure = Effect.fnUntraced(function*(world: World) {
  const persist = yield* PersistClient.make(limits)
  const { writer: handle } = yield* persist.createOrLoad("a", text)
  for (let left = yield* Random.nextIntBetween(1, 15); left > 0 && !world.isOver; left--) {
    const writes = Array.from({ length: yield* Random.nextIntBetween(1, 3) }, () => write(world, handle))
    if (!(yield* Effect.all(writes, { concurrency: "unbounded" })).every((succeeded) => succeeded)) break
    yield* Effect.sleep(yield* Random.nextIntBetween(0, 60))
  }
}, Effect.scoped)

const rival = (world: World, who: string) =>
  Effect.gen(function*() {
    while (!world.isOver) {
      yield* watching(world, who, tenure(world))
      yield* Effect.sleep(yield* Random.nextIntBetween(50, 400))
    }
  })

/** The end of a merge. */
class Death extends Error {}

/** One of so many operations of a merge is its last. */
const operationsOfMerges = 12

/**
 * Merges that die now and then, until everything is over. Half of them are begun again, as where a worker thread is
 * replaced; the others are a defect of maintenance.
 */
const dying = (isOver: () => boolean, onDeath: () => void): Merger.Merger => {
  const mayDie = Effect.gen(function*() {
    const isLast = (yield* Random.nextIntBetween(0, operationsOfMerges - 1)) === 0
    if (isOver() || !isLast) return
    onDeath()
    return yield* Effect.die(new Death("the merge died"))
  })
  const run: Merger.Merger["run"] = (task, begin) =>
    Merger.inProcess.run(task, () => {
      const { feed, store } = begin()
      return {
        feed: (input) => Effect.andThen(mayDie, feed(input)),
        store: (bytes, meta) => Effect.andThen(store(bytes, meta), mayDie)
      }
    }).pipe(
      Effect.catchDefect((defect) =>
        Effect.flatMap(
          Random.nextBoolean,
          (isReplaced) => isReplaced && defect instanceof Death ? run(task, begin) : Effect.die(defect)
        )
      )
    )
  return { run }
}

const spawnOn = (world: World, { hosts = 1, onMergeDeath }: Options, at: number) => {
  const running = rival(world, `rival ${at}`).pipe(Effect.provide(Logger.layer([])))
  return Simulation.spawn(
    onMergeDeath === undefined
      ? running
      : Effect.provideService(running, Merger.Merger, dying(() => world.isOver, onMergeDeath)),
    { host: `host ${at % hosts}` }
  )
}

/** What `docs/format.md` says: to take a store over from a process that hangs, remove its lock file. */
const removeLock = Effect.gen(function*() {
  const locks = join(DiskStorage.root, "lock")
  const names = (yield* File.listOrNone(locks)).map(({ name }) => name).toSorted()
  if (names.length > 0) yield* File.remove(join(locks, names.at(-1)!))
}).pipe(Effect.ignore)

const step = Effect.fnUntraced(function*(
  rivals: Array<Simulation.Process<void, never>>,
  spawn: (at: number) => ReturnType<typeof spawnOn>
) {
  const at = yield* Random.nextIntBetween(0, rivals.length - 1)
  const chosen = rivals[at]!
  const choice = yield* Random.nextIntBetween(0, 99)
  const takeOver = rivals.length > 1 ? removeLock : Effect.void
  if (choice < 30) yield* takeOver
  else if (choice < 55) {
    yield* chosen.stop
    yield* Effect.sleep(yield* Random.nextIntBetween(1, 1_500))
    if (yield* Random.nextBoolean) yield* takeOver
    yield* Effect.sleep(yield* Random.nextIntBetween(1, 1_500))
    yield* chosen.wake
  } else if (choice < 75) {
    const millis = yield* Random.nextIntBetween(-3_600_000, 3_600_000)
    yield* chosen.shiftClock((yield* Random.nextBoolean) ? { wall: millis } : { monotonic: Math.abs(millis) })
  } else if (choice < 88) {
    yield* chosen.kill
    rivals[at] = yield* spawn(at)
  } else if (choice < 96) {
    yield* Simulation.crash
    for (const i of rivals.keys()) rivals[i] = yield* spawn(i)
  }
})

const untilOpen = Schedule.spaced("20 millis").pipe(Schedule.upTo({ times: 500 }))

/** Opens the store as another process: everything that was acknowledged is there, nothing that was refused is. */
const judge = Effect.fnUntraced(function*(world: World) {
  const persist = yield* Effect.retry(PersistClient.make(limits), {
    schedule: untilOpen,
    while: (error: { readonly _tag: string }) => error._tag === "Locked" || error._tag === "Unavailable"
  })
  const { reader, writer: handle } = yield* persist.createOrLoad("a", text)
  const snapshot = yield* reader.snapshot()
  const found = new Map((yield* Stream.runCollect(snapshot.contents)).map(([key, , count]) => [key, count]))
  for (const [key, fate] of world.fates) {
    const count = found.get(key) ?? 0
    if (count > 1) world.problems.push(`a row is there ${count} times`)
    if (fate === "acknowledged" && count === 0) world.problems.push("an acknowledged row is gone")
    if (fate === "refused" && count > 0) world.problems.push("a refused row is there")
    if (fate === "open") world.fates.set(key, count > 0 ? "acknowledged" : "refused")
  }
  if (!(yield* write(world, handle))) world.problems.push("a write fails although nothing else does")
  yield* persist.maintain
}, Effect.scoped)

/** Everything ends within this, in virtual time, once nothing fails any more. */
const patience = "10 minutes"

const ending = <A, E, R>(world: World, what: string, effect: Effect.Effect<A, E, R>) =>
  Effect.flatMap(
    Effect.timeoutOption(watching(world, what, effect), patience),
    (result) => Effect.sync(() => void (result._tag === "None" && world.problems.push(`${what} never ends`)))
  )

/** Returns how many writes were acknowledged. Dies with the first thing that is wrong. */
export const program = (options: Options) =>
  Effect.gen(function*() {
    const world: World = { fates: new Map(), problems: [], isOver: false }
    const { rivals: count, steps } = options
    const rivals: Array<Simulation.Process<void, never>> = []
    const spawn = (at: number) => spawnOn(world, options, at)
    for (let i = 0; i < count; i++) rivals.push(yield* spawn(i))
    for (let i = 0; i < steps && world.problems.length === 0; i++) {
      yield* Effect.sleep(yield* Random.nextIntBetween(1, 400))
      yield* Simulation.step(step(rivals, spawn))
    }
    const injector = yield* Faults.Injector
    injector.pause(true)
    world.isOver = true
    for (const each of rivals) yield* ending(world, "a rival", each.exit)
    for (const _ of ["as it was left", "as it was judged"]) {
      const judging = yield* Simulation.spawn(judge(world))
      yield* ending(world, "opening the store", Effect.flatten(judging.exit))
      yield* judging.kill
      yield* Simulation.crash
    }
    const [problem] = world.problems
    if (problem !== undefined) return yield* Effect.die(new Error(problem))
    return [...world.fates.values()].filter((fate) => fate === "acknowledged").length
  })
