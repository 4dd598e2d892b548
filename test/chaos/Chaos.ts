/**
 * Everything goes wrong that can, for a cluster: processes are stopped, continued and killed, sessions end, the database
 * is stopped in the middle of commits, the network fails. Then the faults stop, everybody must work again, and the judge
 * of histories judges the replies of all of them.
 *
 * The seed decides which faults there are and how long they last; the machine decides what they meet.
 */
import { Effect, type Scope } from "effect"
import type * as History from "../../src/testing/history/History.ts"
import * as Nemesis from "../../src/testing/nemesis/Nemesis.ts"
import * as World from "../../src/testing/nemesis/World.ts"
import * as Prng from "../../src/testing/Prng.ts"
import { terminate } from "../postgres/Server.ts"
import * as Checkpoint from "./Checkpoint.ts"
import * as Cluster from "./Cluster.ts"
import * as Journal from "./Journal.ts"

export interface Options extends Cluster.Options {
  /** No generation begins after them. */
  readonly seconds: number
  /** A run that has acknowledged fewer commands for each minute of faults has proved too little, and fails. */
  readonly leastPerMinute?: number | undefined
  /** Hears of each generation that has been judged. */
  readonly onGeneration?: ((report: Report) => void) | undefined
  /** Has a look at the store that is left. */
  readonly onEnd?: ((store: Pick<Cluster.Cluster, "endpoint" | "prefix" | "url">) => Effect.Effect<void>) | undefined
}

/** What a run was. */
export interface Report {
  /** How often there was which fault. */
  readonly faults: Readonly<Record<string, number>>
  /** How long faults happened: a run also takes the time to judge. */
  readonly seconds: number
  readonly requests: number
  /** Commands that change rows or frontiers, by the replies to their clients. */
  readonly writes: Readonly<Record<History.Operation["outcome"], number>>
  readonly reads: number
  readonly writers: number
  /** Milliseconds from the end of a writer to the next one, with the detection time. */
  readonly takeOvers: ReadonlyArray<number>
  /** How often everybody died and was judged, and the store went on from a checkpoint. */
  readonly generations: number
}

interface Chaos {
  readonly options: Options
  readonly cluster: Cluster.Cluster
  readonly ways: ReadonlyArray<Omit<Cluster.Node, "child">>
  readonly counts: Record<string, number>
}

type Fault = (chaos: Chaos, random: Prng.Prng) => Effect.Effect<void, never, Scope.Scope>

const pause = (random: Prng.Prng, millis: number) => Effect.sleep(random.int(millis))

const anyNode = ({ cluster }: Chaos, random: Prng.Prng): Cluster.Node => {
  const name = cluster.writer !== undefined && random.chance(0.6)
    ? cluster.writer
    : random.pick([...cluster.nodes.keys()])
  return cluster.nodes.get(name)!
}

const restarted = Effect.fnUntraced(
  function*({ cluster }: Chaos, random: Prng.Prng, nodes: ReadonlyArray<Cluster.Node>) {
    for (const node of nodes) yield* Cluster.signal(cluster, node, "SIGKILL")
    yield* pause(random, 2_000)
    for (const node of nodes) yield* Cluster.start(cluster, node)
  }
)

/** What happens to processes, one after the other. */
const ofProcesses: Readonly<Record<string, Fault>> = {
  "process killed and started again": (chaos, random) => restarted(chaos, random, [anyNode(chaos, random)]),
  "all processes killed and started again": (chaos, random) =>
    restarted(chaos, random, [...chaos.cluster.nodes.values()]),
  "process stopped and continued": (chaos, random) => {
    const node = anyNode(chaos, random)
    return Cluster.signal(chaos.cluster, node, "SIGSTOP").pipe(
      Effect.andThen(pause(random, 5_000)),
      Effect.andThen(node.child.kill("SIGCONT"))
    )
  }
}

/** What happens to what they work with, one after the other. */
const ofServices: Readonly<Record<string, Fault>> = {
  "process cut off from Postgres": (chaos, random) => anyNode(chaos, random).link.isolate(pause(random, 5_000)),
  "process cut off from the bucket": (chaos, random) => {
    const { bucket } = anyNode(chaos, random)
    return Effect.acquireUseRelease(
      Effect.sync(() => void (bucket.isCut = true)),
      () => pause(random, 5_000),
      () => Effect.sync(() => void (bucket.isCut = false))
    )
  },
  "sessions terminated": ({ cluster }) => Effect.asVoid(terminate(cluster.url)),
  "Postgres stopped at once and started": ({ options: { postgres } }, random) =>
    Effect.promise(() => postgres.stopImmediately()).pipe(
      Effect.andThen(pause(random, 1_500)),
      Effect.andThen(Effect.promise(() => postgres.start()))
    ),
  "a third of the requests to the bucket fails": ({ cluster }, random) => trouble(cluster, 0.3, pause(random, 3_000)),
  "no request to the bucket succeeds": ({ cluster }, random) => trouble(cluster, 1, pause(random, 1_500))
}

const trouble = (cluster: Cluster.Cluster, part: number, during: Effect.Effect<void>) =>
  Effect.acquireUseRelease(
    Effect.sync(() => void (cluster.trouble = part)),
    () => during,
    () => Effect.sync(() => void (cluster.trouble = Cluster.usualTrouble))
  )

/** Between two faults of a kind there is time to get something done, in milliseconds. */
const longestCalm = 8_000

/** One fault after the other. One that has begun is ended. */
const storm = (chaos: Chaos, random: Prng.Prng, kinds: Readonly<Record<string, Fault>>) => {
  const next = Effect.suspend(() => {
    const kind = random.pick(Object.keys(kinds))
    chaos.counts[kind] = (chaos.counts[kind] ?? 0) + 1
    return Effect.uninterruptible(kinds[kind]!(chaos, random))
  })
  return Effect.forever(Effect.andThen(Effect.suspend(() => Effect.sleep(1_000 + random.int(longestCalm))), next))
}

/** A generation lasts so long, in seconds, so that its history can be judged in memory. */
const lifetime = 120

/** A run on one store. Fails with what is wrong. */
export const run = (options: Options): Effect.Effect<Report, Nemesis.NemesisFound> =>
  Effect.gen(function*() {
    const chaos: Chaos = { options, ...yield* Cluster.make(options), counts: {} }
    const [first, second] = [Prng.make(Prng.split(options.seed, 1)), Prng.make(Prng.split(options.seed, 2))]
    const since = Journal.now()
    const left = (): number => options.seconds - (Journal.now() - since) / 1e9
    let report = empty
    do {
      const storms = [storm(chaos, first, ofProcesses), storm(chaos, second, ofServices)]
      const life = Effect.all(storms, { concurrency: "unbounded" })
      report = yield* generation(chaos, report, Math.min(left(), lifetime), life)
      options.onGeneration?.(report)
    } while (left() > 0)
    if (options.onEnd !== undefined) yield* options.onEnd(chaos.cluster)
    const { seconds, writes: { ok } } = report
    if (ok < (options.leastPerMinute ?? 0) * seconds / 60) {
      const problem = `only ${ok} commands were acknowledged in ${Math.round(seconds)} s of faults`
      return yield* Effect.fail(new Nemesis.NemesisFound([problem], [], []))
    }
    return report
  }).pipe(Effect.scoped)

/** The processes live through a storm, must all work after it, and die; their replies are judged. */
const generation = (
  chaos: Chaos,
  before: Report,
  seconds: number,
  storms: Effect.Effect<unknown, never, Scope.Scope>
) =>
  Effect.gen(function*() {
    const { cluster, ways } = chaos
    cluster.trouble = Cluster.usualTrouble
    for (const way of ways) yield* Cluster.start(cluster, way)
    yield* Effect.timeoutOption(storms, `${seconds} seconds`)
    cluster.trouble = 0
    yield* Cluster.works(cluster)
    yield* end(chaos)
    const history = cluster.journal.history()
    const report = reportOf(chaos, before, seconds, history)
    const found = Nemesis.find(cluster.problems, history)
    if (found !== undefined) return yield* Effect.fail(found)
    cluster.journal = Journal.make()
    for (const line of yield* Effect.orDie(Effect.provide(Checkpoint.take, Cluster.storage(cluster)))) {
      cluster.journal.add(line)
    }
    cluster.goneAt = undefined
    for (const { bucket } of ways) bucket.proxy.requests.length = 0
    return report
  }).pipe(Effect.scoped)

/** All die, and a last client must find everything in order. */
const end = Effect.fnUntraced(function*({ cluster, options }: Chaos) {
  for (const { child } of cluster.nodes.values()) yield* child.kill("SIGKILL")
  // What was on its way to the bucket arrives.
  yield* Effect.sleep("2 seconds")
  const world = World.make(Journal.recorder("end", cluster.journal.add))
  const random = Prng.make(Prng.split(options.seed, 3))
  yield* Nemesis.aftermath(world, random).pipe(
    Effect.provide(Cluster.storage(cluster)),
    Effect.timeoutOrElse({
      duration: "5 minutes",
      orElse: () => Effect.sync(() => world.problems.push("the last client waits for ever"))
    })
  )
  cluster.problems.push(...world.problems)
})

const isRead = ({ call }: History.Operation): boolean => call._tag === "Snapshot" || call._tag === "Subscribe"

const changes = new Set<History.Call["_tag"]>(["Write", "CompareAndAppend", "Seal", "AllowCompaction"])

const empty: Report = {
  faults: {},
  seconds: 0,
  requests: 0,
  writes: { ok: 0, failed: 0, unknown: 0 },
  reads: 0,
  writers: 0,
  takeOvers: [],
  generations: 0
}

const reportOf = (
  { cluster, counts, ways }: Chaos,
  before: Report,
  seconds: number,
  all: History.History
): Report => {
  const history = all.filter(({ client }) => client !== Checkpoint.client)
  const written = history.filter(({ call }) => changes.has(call._tag))
  const delivered = (outcome: History.Operation["outcome"]) =>
    before.writes[outcome] + written.filter((each) => each.outcome === outcome).length
  return {
    faults: { ...counts },
    seconds: before.seconds + seconds,
    requests: ways.reduce((sum, { bucket }) => sum + bucket.proxy.requests.length, before.requests),
    writes: { ok: delivered("ok"), failed: delivered("failed"), unknown: delivered("unknown") },
    reads: before.reads + history.filter(isRead).length,
    writers: cluster.writers,
    takeOvers: [...cluster.takeOvers],
    generations: before.generations + 1
  }
}
