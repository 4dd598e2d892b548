/**
 * Everything goes wrong that can, for a cluster: processes are stopped, continued and killed, sessions end, the database
 * is stopped in the middle of commits, the network fails. Then the faults stop, everybody must work again, and the judge
 * of histories has a look at what all of them were told.
 *
 * The seed decides which faults there are and how long they last; the machine decides what they meet.
 */
import { Effect, type Scope } from "effect"
import type * as History from "../../src/testing/History.ts"
import * as Nemesis from "../../src/testing/Nemesis.ts"
import * as World from "../../src/testing/NemesisWorld.ts"
import * as Prng from "../../src/testing/Prng.ts"
import { terminate } from "../postgres/Server.ts"
import * as Cluster from "./Cluster.ts"
import * as Journal from "./Journal.ts"

export interface Options extends Cluster.Options {
  readonly seconds: number
}

/** What a run was. */
export interface Report {
  /** How often there was which fault. */
  readonly faults: Readonly<Record<string, number>>
  readonly requests: number
  /** Commands that change rows or frontiers, by what their clients were told. */
  readonly writes: Readonly<Record<History.Operation["outcome"], number>>
  readonly reads: number
  readonly writers: number
  /** Milliseconds from the end of a writer to the next one, with the detection time. */
  readonly takeOvers: ReadonlyArray<number>
}

interface Chaos {
  readonly options: Options
  readonly cluster: Cluster.Cluster
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

/** One fault after the other. One that has begun is ended. */
const storm = (chaos: Chaos, stream: number, kinds: Readonly<Record<string, Fault>>) => {
  const random = Prng.make(Prng.split(chaos.options.seed, stream))
  const next = Effect.suspend(() => {
    const kind = random.pick(Object.keys(kinds))
    chaos.counts[kind] = (chaos.counts[kind] ?? 0) + 1
    return Effect.uninterruptible(kinds[kind]!(chaos, random))
  })
  return Effect.forever(Effect.andThen(Effect.suspend(() => pause(random, 4_000)), next))
}

/** A run. Fails with what is wrong. */
export const run = (options: Options): Effect.Effect<Report, Nemesis.NemesisFound> =>
  Effect.gen(function*() {
    const chaos: Chaos = { options, cluster: yield* Cluster.make(options), counts: {} }
    const { cluster } = chaos
    const storms = Effect.all([storm(chaos, 1, ofProcesses), storm(chaos, 2, ofServices)], { concurrency: "unbounded" })
    yield* Effect.timeoutOption(storms, `${options.seconds} seconds`)
    cluster.trouble = 0
    yield* Cluster.works(cluster)
    yield* end(chaos)
    const history = cluster.journal.history()
    const found = Nemesis.find(cluster.problems, history)
    return found === undefined ? reportOf(chaos, history) : yield* Effect.fail(found)
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

const reportOf = ({ cluster, counts }: Chaos, history: History.History): Report => {
  const written = history.filter(({ call }) => changes.has(call._tag))
  const told = (outcome: History.Operation["outcome"]) => written.filter((each) => each.outcome === outcome).length
  return {
    faults: counts,
    requests: cluster.proxy.requests.length,
    writes: { ok: told("ok"), failed: told("failed"), unknown: told("unknown") },
    reads: history.filter(isRead).length,
    writers: cluster.writers,
    takeOvers: cluster.takeOvers
  }
}
