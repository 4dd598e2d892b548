/**
 * Three processes on one store in Postgres and a bucket, and what they say.
 */
import { Effect, Layer, Schedule } from "effect"
import { randomUUID } from "node:crypto"
import { join } from "node:path"
import { PersistClient } from "tidemark"
import { PostgresStorage } from "tidemark/postgres"
import { S3Storage } from "tidemark/s3"
import * as Prng from "../../src/testing/Prng.ts"
import * as Link from "../postgres/Proxy.ts"
import type { Server } from "../postgres/Server.ts"
import { options as bucketOptions } from "../s3/Buckets.ts"
import * as Proxy from "../s3/Proxy.ts"
import * as Child from "../utils/Child.ts"
import * as Journal from "./Journal.ts"

export interface Options {
  readonly seed: number
  readonly postgres: Server
  /** Of the bucket. */
  readonly endpoint: string
}

export interface Node {
  readonly name: string
  /** What its clock is wrong by. */
  readonly hours: number
  /** Its way to Postgres. */
  readonly link: Link.Proxy
  /** Its way to the bucket. */
  readonly bucket: Bucket
  readonly child: Child.Child
}

export interface Bucket {
  readonly proxy: Proxy.Proxy
  /** Whether this process alone does not reach it. */
  isCut: boolean
}

export interface Cluster {
  /** The store: its order, and the bucket that has its bytes. */
  readonly url: string
  readonly prefix: string
  readonly endpoint: string
  /** Of the generation that lives now. */
  journal: Journal.Journal
  readonly problems: Array<string>
  /** By their names. */
  readonly nodes: Map<string, Node>
  /** Who was the last to say that it writes, and how many have said it. */
  writer: string | undefined
  writers: number
  /** When the writer was stopped or killed, if no other has taken over since, and how many milliseconds that took before. */
  goneAt: number | undefined
  readonly takeOvers: Array<number>
  /** Which part of the requests to the bucket goes wrong. */
  trouble: number
  readonly newSeed: () => number
}

export const usualTrouble = 0.03

const networkFaults: ReadonlyArray<Proxy.Fault> = [
  "lost",
  "applied",
  "applied500",
  "cut",
  409,
  500,
  503,
  Effect.sleep("200 millis")
]

const isList = ({ url }: Proxy.Request): boolean => url.includes("list-type=2")

/** A cluster whose processes have not been started, and their ways to what they need. */
export const make = Effect.fnUntraced(function*({ endpoint, postgres, seed }: Options) {
  const network = Prng.make(Prng.split(seed, 0))
  let processes = 0
  const cluster: Cluster = {
    url: postgres.newStore(),
    prefix: `chaos/${randomUUID()}`,
    endpoint,
    journal: Journal.make(),
    problems: [],
    nodes: new Map(),
    writer: undefined,
    writers: 0,
    goneAt: undefined,
    takeOvers: [],
    trouble: usualTrouble,
    newSeed: () => Prng.split(seed, 100 + processes++)
  }
  // A reader that finds no store at all would have found damage.
  yield* Effect.orDie(Effect.provide(Effect.scoped(PersistClient.make()), storage(cluster)))
  const ways = yield* Effect.forEach(
    [["a", 0], ["b", -1], ["c", 1]] as const,
    ([name, hours]) =>
      Effect.gen(function*() {
        const bucket: Bucket = { proxy: yield* Proxy.make(endpoint), isCut: false }
        bucket.proxy.choose = (request) => {
          if (bucket.isCut) return "lost"
          if (!network.chance(cluster.trouble)) return "pass"
          return isList(request) && network.chance(0.5) ? "stale" : network.pick(networkFaults)
        }
        return { name, hours, link: yield* Link.make(postgres), bucket }
      })
  )
  return { cluster, ways }
})

/** The cluster's store. */
export const storage = ({ endpoint, prefix, url }: Pick<Cluster, "endpoint" | "prefix" | "url">) =>
  Layer.merge(PostgresStorage.layerLog({ url }), S3Storage.layerBlob(bucketOptions(endpoint, { prefix })))

const script = join(import.meta.dirname, "Node.ts")

/** Starts a process, in the place of the one of this name that there was. */
export const start = Effect.fnUntraced(function*(cluster: Cluster, { bucket, hours, link, name }: Omit<Node, "child">) {
  const { prefix } = cluster
  const { proxy: { endpoint } } = bucket
  const url = link.through(cluster.url)
  const child = yield* Child.start(script, name, String(cluster.newSeed()), String(hours), url, endpoint, prefix)
  cluster.nodes.set(name, { name, hours, link, bucket, child })
  yield* Effect.forkScoped(Effect.interruptible(listen(cluster, name, child)))
})

/** Until the process has ended, and says nothing any more. */
const listen = (cluster: Cluster, name: string, child: Child.Child) =>
  child.next.pipe(
    Effect.tap((said) => Effect.sync(() => hear(cluster, name, said))),
    Effect.repeat({ while: (said) => said !== "undefined" })
  )

const hear = (cluster: Cluster, name: string, said: string): void => {
  const line = Journal.parse(said)
  if (line?._tag === "Problem") cluster.problems.push(line.problem)
  else if (line?._tag === "Writes") writes(cluster, name)
  else if (line !== undefined) cluster.journal.add(line)
}

const writes = (cluster: Cluster, name: string): void => {
  if (cluster.goneAt !== undefined) cluster.takeOvers.push((Journal.now() - cluster.goneAt) / 1e6)
  cluster.goneAt = undefined
  cluster.writer = name
  cluster.writers++
}

/** Its signal ends what a node does, for good or for now. */
export const signal = (cluster: Cluster, node: Node, name: "SIGKILL" | "SIGSTOP"): Effect.Effect<void> =>
  Effect.suspend(() => {
    if (node.name === cluster.writer) cluster.goneAt ??= Journal.now()
    return node.child.kill(name)
  })

/** How long it may take until everything works again. */
const patience = "60 seconds"

/** Without faults, one must write, and all must read. */
export const works = (cluster: Cluster): Effect.Effect<void> => {
  const since = Journal.now()
  const isDone = (): boolean => {
    const fine = cluster.journal.history().filter(({ invoked, outcome }) => invoked > since && outcome === "ok")
    const isHeard = (name: string): boolean =>
      fine.some(({ call, client }) => call._tag === "Snapshot" && client.split(" ")[1] === name)
    return fine.some(({ call }) => call._tag === "Write") && [...cluster.nodes.keys()].every(isHeard)
  }
  return Effect.sync(isDone).pipe(
    Effect.repeat({ until: (done) => done, schedule: Schedule.spaced("500 millis") }),
    Effect.timeoutOrElse({
      duration: patience,
      orElse: () => Effect.sync(() => cluster.problems.push(`not everybody works ${patience} after the last fault`))
    }),
    Effect.asVoid
  )
}
