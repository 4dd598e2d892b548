/**
 * The nemesis: processes that write, read, subscribe, die, restart and take the store over from each other, on storage
 * with faults, and a checker of every reply that they received.
 *
 * It is a program for a simulation: its seed decides everything. At its end the faults stop, and a last client opens
 * the store. All of its operations must succeed. The stored blobs are then exactly the referenced ones, and within the
 * limits.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Faults, Nemesis, Seeds } from "tidemark/testing"
 *
 * const summary = await Effect.runPromise(
 *   Seeds.check({ program: Nemesis.program({ steps: 30 }), faults: Faults.mild, seeds: 3 })
 * )
 * if (summary.seeds < 1) throw new Error("nothing was run")
 * ```
 *
 * @since 0.1.0
 */
import { Duration, Effect, Random, Schedule, Stream } from "effect"
import type * as PersistClient from "../../client/PersistClient.ts"
import * as Collection from "../../engine/Collection.ts"
import * as State from "../../engine/State.ts"
import * as HoldFiles from "../../runtime/HoldFiles.ts"
import * as Recovery from "../../runtime/Recovery.ts"
import { Blob } from "../../storage/Blob.ts"
import { Log } from "../../storage/Log.ts"
import * as HistoryChecker from "../history/Checker.ts"
import type * as History from "../history/History.ts"
import * as HistoryViolation from "../history/Violation.ts"
import * as Prng from "../Prng.ts"
import * as Simulation from "../simulation/Simulation.ts"
import * as Faults from "../storage/Faults.ts"
import * as Documents from "./Documents.ts"
import * as Feeds from "./Feeds.ts"
import * as Holding from "./Holding.ts"
import * as Jobs from "./Jobs.ts"
import * as NemesisProfile from "./Profile.ts"
import * as Reads from "./Reads.ts"
import * as Tools from "./Tools.ts"
import * as World from "./World.ts"

/**
 * How much a nemesis does.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Default 60. */
  readonly steps?: number | undefined
  /** Default `NemesisProfile.mixed`. */
  readonly profile?: NemesisProfile.Profile | undefined
}

/**
 * The violations that a nemesis has found. The message names the first few.
 *
 * @category errors
 * @since 0.1.0
 */
export class NemesisFound extends Error {
  override readonly name = "NemesisFound"
  readonly violations: ReadonlyArray<HistoryViolation.Violation>
  readonly history: History.History

  constructor(
    problems: ReadonlyArray<string>,
    violations: ReadonlyArray<HistoryViolation.Violation>,
    history: History.History
  ) {
    const lines = [...problems, ...violations.map((violation) => HistoryViolation.format(violation, history))]
    super(lines.slice(0, 5).join("\n"))
    this.violations = violations
    this.history = history
  }
}

/**
 * The program. It returns what it has recorded if there is no violation, and dies with `NemesisFound` otherwise.
 *
 * @see {@link HistoryChecker}
 *
 * @category constructors
 * @since 0.1.0
 */
export const program = ({ profile = NemesisProfile.mixed, steps = 60 }: Options = {}): Effect.Effect<
  History.History,
  never,
  Log | Blob | Simulation.Simulated | Faults.Injector
> =>
  Effect.gen(function*() {
    const world = World.make()
    const weighted = Object.entries(profile) as ReadonlyArray<readonly [NemesisProfile.Step, number]>
    yield* Simulation.step(Effect.flatMap(drawn, (random) => World.start(world, "writer", random)))
    for (let i = 0; i < steps; i++) {
      yield* Simulation.step(Effect.flatMap(drawn, (random) => take(world, choose(weighted, random), random)))
    }
    yield* end(world)
    return yield* judge(world)
  })

const drawn = Effect.map(Random.nextInt, Prng.make)

const choose = (
  weighted: ReadonlyArray<readonly [NemesisProfile.Step, number]>,
  random: Prng.Prng
): NemesisProfile.Step => {
  let dice = random.int(weighted.reduce((sum, [, weight]) => sum + weight, 0))
  return weighted.find(([, weight]) => (dice -= weight) < 0)![0]
}

/** Takes one step. If no writer is left, one starts instead of a step that needs a writer. */
const take = Effect.fnUntraced(function*(world: World.World, step: NemesisProfile.Step, random: Prng.Prng) {
  const writers = world.nodes.filter(({ mode }) => mode === "writer")
  switch (step) {
    case "pause":
      return yield* Effect.sleep(random.pick([1, 100, 3_000, 12_000]))
    case "start":
      return yield* World.start(world, "writer", random)
    case "follow":
      return yield* World.start(world, "reader", random)
    case "gc":
    case "verify":
    case "copy":
      return yield* Tools.start(world, step, random)
    case "crash":
      world.nodes = []
      return yield* Simulation.crash
  }
  if (writers.length === 0) return yield* World.start(world, "writer", random)
  const node = random.pick(reads.has(step) ? world.nodes : writers)
  if (step === "kill") {
    yield* node.process.kill
    return World.forget(world, node.client)
  }
  if (step === "stop") World.forget(world, node.client)
  const asked: Jobs.Asking = { world, node, random, name: Jobs.name(random) }
  const ended = yield* World.dispatch(world, node, step, jobs[step](asked))
  if (random.chance(0.5)) yield* Effect.timeoutOption(ended, "1 second")
})

const jobs = {
  ...Jobs.byStep,
  rewrite: Documents.rewrite,
  hold: Holding.hold,
  feed: Feeds.feed,
  retain: Feeds.retain
}

const reads: ReadonlySet<NemesisProfile.Step> = new Set(
  ["snapshot", "snapshotAsOf", "subscribe", "listen", "resume", "readPart", "hold"]
)

/** How long after the last fault the program waits for late writes. */
const calm = "1 minute"

/** The timeout of an operation then: on real storage, virtual time may pass faster than the storage works. */
const patience = "1 hour"

/** Some processes close, all others die, and the faults stop. */
const end = Effect.fnUntraced(function*(world: World.World) {
  const random = yield* drawn
  const injector = yield* Faults.Injector
  for (const node of world.nodes.filter(() => random.chance(0.5))) {
    yield* Effect.timeoutOption(yield* World.dispatch(world, node, "stop", (client) => client.stop), calm)
  }
  yield* Simulation.crash
  world.nodes = []
  injector.pause(true)
  yield* Effect.sleep(calm)
  yield* aftermath(world, random)
})

/** Holds whose clients are gone expire when a writer has seen no heartbeat for a whole lease, in at least four looks. */
const betweenLooks = Duration.times(Holding.longestLease, 0.3)

const hasHolds = Effect.map(Effect.flatMap(Blob, HoldFiles.list), (holds) => holds.length > 0)

/** Without faults, all operations of a last client must succeed, and the stored data must be as expected. @internal */
export const aftermath = Effect.fnUntraced(function*(world: World.World, random: Prng.Prng) {
  const options: PersistClient.Options = {
    ...World.optionsOf(random),
    grace: 0,
    maintenance: Schedule.recurs(0),
    timeout: patience
  }
  yield* mustSucceed(
    world,
    "the last writer",
    Effect.scoped(Effect.gen(function*() {
      const client = yield* World.open(world, "last", "writer", options)
      yield* readEverything(world, "last", client, random)
      yield* client.maintain
      yield* readEverything(world, "last", client, random)
      for (const { name } of yield* client.descriptions) yield* client.compact(name)
      yield* client.maintain
      if (yield* hasHolds) {
        yield* Effect.repeat(Effect.andThen(Effect.sleep(betweenLooks), client.maintain), { times: 6 })
      }
      yield* readEverything(world, "last", client, random)
      yield* client.stop
    }))
  )
  yield* mustSucceed(
    world,
    "the last reader",
    Effect.scoped(Effect.gen(function*() {
      const client = yield* World.open(world, "last reader", "reader", { timeout: patience })
      yield* readEverything(world, "last reader", client, random)
    }))
  )
  yield* mustSucceed(world, "the inspection", inspect(world))
})

const mustSucceed = <E, R>(world: World.World, what: string, effect: Effect.Effect<void, E, R>) =>
  Effect.flatMap(Effect.exit(effect), (exit) =>
    Effect.sync(() => {
      if (exit._tag === "Failure") world.problems.push(`${what} failed without faults: ${String(exit.cause)}`)
    }))

/** As of this many times. The subscription shows the others. */
const sampled = 6

/** Reads every collection: all contents, as of each time that can be read, and by subscription. */
const readEverything = Effect.fnUntraced(
  function*(world: World.World, client: string, persist: World.Client, random: Prng.Prng) {
    const asked = { world, random, node: { client } }
    for (const { id, name, since, upper } of yield* persist.descriptions) {
      const { reader } = yield* persist.load(name, World.text)
      yield* Reads.snapshot(asked, reader, id, undefined)
      if (upper <= since) continue
      if (since > 0) yield* resumeAtSince(asked, reader, id, since, upper)
      const apart = Math.ceil((upper - since) / sampled)
      for (let asOf = since; asOf < upper; asOf += apart) yield* Reads.snapshot(asked, reader, id, asOf)
      yield* Reads.follow(asked, reader, id, { asOf: since }, { collection: id, frontier: 0 }).pipe(
        Stream.takeUntil((event) => event._tag === "Progress" && event.frontier >= upper),
        Stream.runDrain
      )
    }
  }
)

/** An update at `since` cannot be distinguished from those before: resuming there is rejected, or delivers it once. */
const resumeAtSince = (
  asked: Parameters<typeof Reads.follow>[0],
  read: Parameters<typeof Reads.follow>[1],
  id: number,
  since: number,
  upper: number
) =>
  Reads.follow(asked, read, id, { from: since }, { collection: id, frontier: since }).pipe(
    Stream.takeUntil((event) => event._tag === "Progress" && event.frontier >= upper),
    Stream.runDrain,
    Effect.catchTag("AsOfBeforeSince", () => Effect.void)
  )

/** The stored blobs are the referenced ones, and the log is within its limits. */
const inspect = Effect.fnUntraced(function*(world: World.World) {
  const blob = yield* Blob
  const log = yield* Log
  const { logSizes, state } = yield* Recovery.load(log, blob)
  const stored = new Set((yield* Stream.runCollect(blob.list(""))).map(({ key }) => key))
  const referenced = State.blobKeys(state)
  // What is left of an expired hold goes with the next garbage.
  const leaked = [...stored].filter((key) => !referenced.has(key) && !key.startsWith("hold/"))
  const missing = [...referenced].filter((key) => !stored.has(key))
  if (leaked.length > 0) world.problems.push(`blobs are stored that nothing refers to: ${leaked.join(", ")}`)
  if (missing.length > 0) world.problems.push(`blobs are referred to that are not stored: ${missing.join(", ")}`)
  for (const [id, documents] of world.documents) {
    const collection = state.collections.get(id)
    if (collection === undefined) continue
    const kept = new Set(Collection.documents(collection).map(({ value }) => value))
    if (![...documents].every((each) => kept.has(each))) world.problems.push(`collection ${id} has lost a schema`)
  }
  const logBytes = logSizes.reduce((sum, { bytes }) => sum + bytes, 0)
  if (logBytes > World.limits.logBytes) world.problems.push(`the log keeps ${logBytes} bytes`)
  const { memoryBytes } = state
  if (memoryBytes > World.limits.memoryBytes) world.problems.push(`${memoryBytes} bytes of rows stay in memory`)
})

const damaged = new Set(["Corrupt", "DecodeError", "NotAStore", "UnsupportedFormat"])

/** Storage without bit rot must never be reported as damaged. */
const damages = (history: History.History): ReadonlyArray<string> =>
  history.flatMap(({ call, reply }) =>
    reply?._tag === "Refused" && damaged.has(reply.error) ? [`${call._tag} has found damage: ${reply.error}`] : []
  )

const judge = Effect.fnUntraced(function*(world: World.World) {
  const history = world.recorder.history()
  yield* Simulation.note(JSON.stringify(history))
  const found = find(world.problems, history)
  return found === undefined ? history : yield* Effect.die(found)
})

/** All violations, if there are any. @internal */
export const find = (noted: ReadonlyArray<string>, history: History.History): NemesisFound | undefined => {
  const problems = [...noted, ...damages(history)]
  const violations = HistoryChecker.check(history)
  return problems.length + violations.length === 0 ? undefined : new NemesisFound(problems, violations, history)
}
