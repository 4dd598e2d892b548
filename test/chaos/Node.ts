// `node Node.ts NAME SEED HOURS POSTGRES ENDPOINT PREFIX`: one process of the chaos, whose clock is wrong by so many hours.
// It reads and follows the store; when no writer has given a sign of life for a while, it writes, until it is fenced. What
// it requests and receives it says as lines of a journal.
import { Cause, Clock, Effect, Exit, Layer, Schedule, type Scope, Stream } from "effect"
import type { Blob, Log } from "tidemark"
import { PostgresStorage } from "tidemark/postgres"
import { S3Storage } from "tidemark/s3"
import * as Jobs from "../../src/testing/nemesis/Jobs.ts"
import * as NemesisProfile from "../../src/testing/nemesis/Profile.ts"
import * as World from "../../src/testing/nemesis/World.ts"
import * as Prng from "../../src/testing/Prng.ts"
import * as Live from "../../src/testing/simulation/Live.ts"
import { options } from "../s3/Buckets.ts"
import * as Journal from "./Journal.ts"

const [, , name = "", seed = "", hours = "", postgres = "", endpoint = "", prefix = ""] = process.argv

const random = Prng.make(Number(seed))
// A pipe is written at once: a process that is killed has said what it had begun.
const say = (line: Journal.Line): void => void process.stdout.write(`${JSON.stringify(line)}\n`)
const world = World.make(Journal.recorder(`${name} ${seed}`, say))
// No two processes write the same row.
world.commands = Number(seed) * 1_000_000

const detection = "1 second"
/** Those who change something, and those who read, which takes longer. */
const workers = { changes: 4, reads: 3 }

/** The longest pause between two steps, in milliseconds. */
const rest = 100

/** The collection whose seals are the signs of life. */
const beats = "beats"

type Node = Jobs.Asking["node"]
type Job = keyof typeof Jobs.byStep

const reads: ReadonlySet<string> = new Set<Job>(["snapshot", "snapshotAsOf", "subscribe"])
const jobs = Object.entries(NemesisProfile.mixed).flatMap(([step, weight]) =>
  step !== "stop" && step in Jobs.byStep ? Array.from({ length: weight }, () => step as Job) : []
)
const readJobs = jobs.filter((job) => reads.has(job))
const changeJobs = jobs.filter((job) => !reads.has(job))

const nodeOf = (mode: Node["mode"]): Node => ({
  client: `${mode} ${name} ${seed}.${++world.clients}`,
  mode,
  opened: new Map()
})

/** What ends an opening of the store. */
const isFinal = (error: unknown): boolean =>
  ["Fenced", "RuntimeShutdown"].includes((error as { readonly _tag?: string })._tag ?? "")

/** A job whose failure is in the history. */
const doing = <A>(what: string, job: Effect.Effect<A, unknown>): Effect.Effect<void, unknown> =>
  Effect.timeoutOption(job, "5 seconds").pipe(
    Effect.onExit((exit) =>
      Effect.sync(() => {
        if (Exit.isFailure(exit) && Cause.hasDies(exit.cause)) {
          say({ _tag: "Problem", problem: `${what} died: ${String(Cause.squash(exit.cause))}` })
        }
      })
    ),
    Effect.catch((error) => isFinal(error) ? Effect.fail(error) : Effect.void),
    Effect.asVoid
  )

/** What the frontiers are by now, as others move them, too. */
const look = (client: World.Client) =>
  Effect.map(client.descriptions, (found) => {
    for (const { name, since, upper } of found) world.guesses.set(name, { since, upper })
  })

const asking = (node: Node, name: string): Jobs.Asking => ({ world, node, random: Prng.make(random.u32()), name })

/** Asks one thing after the other, for as long as the store is open. */
const work = (node: Node, client: World.Client) => {
  const step = (jobs: ReadonlyArray<Job>) =>
    Effect.suspend(() => {
      const job = random.pick(jobs)
      return doing(job, Jobs.byStep[job](asking(node, Jobs.name(random)))(client)).pipe(
        Effect.andThen(random.chance(0.2) ? doing("a look", look(client)) : Effect.void),
        Effect.andThen(Effect.sleep(random.int(rest)))
      )
    })
  const crew = (jobs: ReadonlyArray<Job>, size: number) =>
    Array.from({ length: size }, () => Effect.forever(step(jobs)))
  const changing = node.mode === "writer" ? crew(changeJobs, workers.changes) : []
  return Effect.all([...changing, ...crew(readJobs, workers.reads)], { concurrency: "unbounded" })
}

const open = (node: Node) =>
  Effect.tap(
    World.open(world, node.client, node.mode, World.optionsOf(random)),
    (client) => doing("a look", look(client))
  )

/** Waits until no writer has given a sign of life for so long. */
const silence = (client: World.Client) =>
  Effect.flatMap(client.load(beats, World.text), ({ reader }) => reader.listen()).pipe(
    Effect.flatMap(({ events }) => Stream.runDrain(Stream.timeout(events, detection)))
  )

/** Reads until there is no writer. */
const follow = Effect.gen(function*() {
  const node = nodeOf("reader")
  const client = yield* open(node)
  yield* Effect.raceFirst(silence(client), work(node, client))
})

const write = Effect.gen(function*() {
  const node = nodeOf("writer")
  const client = yield* open(node)
  say({ _tag: "Writes" })
  const beat = Effect.suspend(() => doing("a beat", Jobs.byStep.seal(asking(node, beats))(client)))
  yield* Effect.raceFirst(Effect.repeat(beat, Schedule.spaced("200 millis")), work(node, client))
})

/** No writer has come so far as to give a sign. */
const isYoung = (error: unknown): boolean => (error as { readonly _tag?: string })._tag === "UnknownCollection"

const turn: Effect.Effect<void, unknown, Log.Log | Blob.Blob | Scope.Scope> = Effect.scoped(follow).pipe(
  Effect.catchIf(isYoung, () => Effect.void),
  Effect.andThen(Effect.scoped(write))
)

const storage = Layer.merge(
  PostgresStorage.layerLog({ url: postgres }),
  S3Storage.layerBlob(options(endpoint, { prefix }))
)

const forever = Effect.forever(Effect.andThen(Effect.ignore(turn), Effect.sleep("50 millis")))

const wrong = Effect.map(Clock.Clock, (clock) => Live.clockOf(clock, 1, Number(hours) * 3_600_000))

// A storage that is away when the process starts is tried again.
const main = Effect.retry(Effect.provide(Effect.scoped(forever), storage), Schedule.spaced("100 millis"))

Effect.runFork(Effect.flatMap(wrong, (clock) => Effect.provideService(main, Clock.Clock, clock)))
