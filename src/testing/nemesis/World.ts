/**
 * The world of a nemesis: the processes that have the store open, and what is expected of its collections.
 *
 * @internal
 */
import { Cause, Deferred, Effect, Exit, Queue, Schedule, type Scope } from "effect"
import type * as Collection from "../../client/Collection.ts"
import * as PersistClient from "../../client/PersistClient.ts"
import * as Codec from "../../Codec.ts"
import type { Blob } from "../../storage/Blob.ts"
import type { Log } from "../../storage/Log.ts"
import * as History from "../history/History.ts"
import type { Prng } from "../Prng.ts"
import * as Simulation from "../simulation/Simulation.ts"

export type Client = PersistClient.PersistClient["Service"]

export interface Opened {
  readonly id: number
  readonly handles: Collection.Collection<string, string>
}

/** A process that has the store open. */
export interface Node {
  readonly client: string
  readonly mode: "writer" | "reader"
  readonly process: Simulation.Process<unknown, unknown>
  readonly jobs: Queue.Queue<Job>
  readonly opened: Map<string, Opened>
}

export type Job = (client: Client) => Effect.Effect<void>

/** The possible frontiers of a collection. */
export interface Guess {
  upper: number
  since: number
}

/** The frontier where a subscriber stopped. */
export interface Place {
  readonly collection: number
  frontier: number
}

export interface World {
  readonly recorder: History.Recorder
  readonly guesses: Map<string, Guess>
  readonly places: Array<Place>
  /** By collection: the schemas that a client knows to be stored. */
  readonly documents: Map<number, Set<string>>
  /** By collection: the last version of its document that was acknowledged. */
  readonly texts: Map<number, string>
  /** Failures that are in no history. */
  readonly problems: Array<string>
  nodes: Array<Node>
  /** The number of clients and of commands so far. */
  clients: number
  commands: number
}

export const make = (recorder: History.Recorder = History.recorder()): World => ({
  recorder,
  guesses: new Map(),
  places: [],
  documents: new Map(),
  texts: new Map(),
  problems: [],
  nodes: [],
  clients: 0,
  commands: 0
})

export const text = { key: Codec.string, value: Codec.string }

export const guessOf = (world: World, name: string): Guess => {
  const known = world.guesses.get(name) ?? { upper: 0, since: 0 }
  world.guesses.set(name, known)
  return known
}

export const limits = { memoryBytes: 6_000, logBytes: 8_000, inlineBytes: 1_500 }

/** Limits so small that everything that can happen happens soon. */
export const optionsOf = (random: Prng): PersistClient.Options => ({
  memoryBytes: 1_000 + random.int(limits.memoryBytes - 1_000),
  logBytes: 1_000 + random.int(limits.logBytes - 1_000),
  inlineBytes: 200 + random.int(limits.inlineBytes - 200),
  reclaimBytes: 300,
  partBytes: 500 + random.int(3_000),
  cacheBytes: random.pick([0, 4_000]),
  feedBytes: 500,
  heldLogBytes: random.pick([2_000, 100_000]),
  groupBytes: random.pick([500, 100_000]),
  grace: random.pick([0, 5_000]),
  maintenance: Schedule.spaced(random.pick([50, 1_000, 20_000])),
  ...random.chance(0.5) ? { retry: Schedule.recurs(0) } : {}
})

/** Opens the store for a client, and records it. */
export const open = (
  world: World,
  client: string,
  mode: Node["mode"],
  options: PersistClient.Options
): Effect.Effect<Client, unknown, Log | Blob | Scope.Scope> => {
  const opening = mode === "writer" ? PersistClient.make(options) : PersistClient.makeReadOnly(options)
  return world.recorder.record(client, { _tag: "Open", mode }, opening, () => ({ _tag: "Done" }))
}

/** An opening that meets a fault is retried. */
const patience = Schedule.spaced("100 millis").pipe(Schedule.upTo({ times: 10 }))

/** Starts a process that opens the store, and executes its jobs, all at the same time. */
export const start = Effect.fnUntraced(function*(world: World, mode: Node["mode"], random: Prng) {
  const client = `${mode} ${++world.clients}`
  const jobs = yield* Queue.unbounded<Job>()
  const opening = Effect.retry(open(world, client, mode, optionsOf(random)), patience)
  const serving = Effect.flatMap(
    opening,
    (opened) => Effect.forever(Effect.flatMap(Queue.take(jobs), (job) => Effect.forkScoped(job(opened))))
  )
  const process = yield* Simulation.spawn(Effect.onExit(serving, (exit) =>
    Effect.sync(() => {
      noteDefect(world, client, exit)
      forget(world, client)
    })))
  world.nodes.push({ client, mode, process, jobs, opened: new Map() })
})

export const forget = (world: World, client: string): void => {
  world.nodes = world.nodes.filter((node) => node.client !== client)
}

/**
 * Makes a process execute a job. Returns how to wait for the end of the job, or of the process. Failures of the job are
 * in the history; that it dies is always an error.
 */
export const dispatch = Effect.fnUntraced(
  function*(world: World, node: Node, what: string, job: (client: Client) => Effect.Effect<unknown, unknown>) {
    const done = yield* Deferred.make<void>()
    yield* Queue.offer(node.jobs, (client) =>
      Effect.flatMap(Effect.exit(job(client)), (exit) => {
        noteDefect(world, what, exit)
        return Effect.asVoid(Deferred.succeed(done, undefined))
      }))
    return Effect.raceFirst(Deferred.await(done), Effect.asVoid(node.process.exit))
  }
)

export const noteDefect = (world: World, what: string, exit: Exit.Exit<unknown, unknown>): void => {
  if (Exit.isSuccess(exit)) return
  const { cause } = exit
  if (Cause.hasDies(cause)) world.problems.push(`${what} died: ${String(Cause.squash(cause))}`)
}
