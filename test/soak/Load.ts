/**
 * Mixed load on one store: typed rows of kilobytes that are rewritten for ever, tables with transactions, collections that
 * come and go, subscribers of whom one lags, reads, holds and retention. What is live stays the same, and so does the load: it rests
 * between two steps, so that a slow machine does less.
 */
import { Effect, Layer, Option, Schedule, Schema, Stream } from "effect"
import { Codec, PersistClient, Retention, Update } from "tidemark"
import { Table } from "tidemark/tables"
import type { Prng } from "../../src/testing/Prng.ts"

/** What may be planted to see that it is noticed. */
export type Leak = "none" | "memory" | "disk"

/** What the load needs beside the store. */
export interface Options {
  readonly random: Prng
  readonly leak: Leak
  /** Hears how many milliseconds an append, a transaction or a read has taken. */
  readonly took: (what: "write" | "read", millis: number) => void
}

class Document extends Schema.Class<Document>("Document")({
  title: Schema.String,
  step: Schema.Int,
  tags: Schema.Array(Schema.String),
  text: Schema.String
}) {}

const documents = { key: Codec.string, value: Codec.schema(Document) }
const documentCount = 200
const documentsAStep = 4

class Balances extends Table.Service<Balances>()("balances", {
  key: Schema.String,
  value: Schema.Int,
  history: "latest"
}) {}

class Tasks extends Table.Service<Tasks>()("tasks", {
  key: Schema.Int,
  value: Schema.Struct({ state: Schema.String, note: Schema.String }),
  history: "2 seconds",
  indexes: { byState: ({ state }) => state }
}) {}

/** Small limits: what a large store comes to after days happens here within seconds. */
const limits: PersistClient.Options = {
  memoryBytes: 2 * 1024 * 1024,
  logBytes: 4 * 1024 * 1024,
  inlineBytes: 128 * 1024,
  reclaimBytes: 256 * 1024,
  partBytes: 1024 * 1024,
  cacheBytes: 2 * 1024 * 1024,
  feedBytes: 512 * 1024,
  heldLogBytes: 16 * 1024 * 1024,
  grace: "1 second"
}

/** A writer's services, over a storage. */
export const layer = Layer.mergeAll(
  Balances.layer,
  Tasks.layer,
  Retention.layer({ collections: { documents: Retention.times(50) }, schedule: Schedule.spaced("500 millis") })
).pipe(Layer.provideMerge(PersistClient.layer(limits)))

const timed = <A, E, R>({ took }: Options, what: "write" | "read", effect: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => {
    const start = performance.now()
    return Effect.tap(effect, () => Effect.sync(() => took(what, performance.now() - start)))
  })

const words = "stream effect read write update because agent tool call result line change commit branch index".split(
  " "
)

const prose = (random: Prng, length: number): string => {
  let text = ""
  while (text.length < length) text += `${random.pick(words)} ${random.int(1000)} `
  return text
}

const every = (millis: number) => <A, E, R>(step: Effect.Effect<A, E, R>) =>
  Effect.forever(Effect.andThen(step, Effect.sleep(millis)))

/** Rewrites a few of the documents with each step, at a time of its own. */
const rewriting = Effect.fnUntraced(function*(options: Options) {
  const { random } = options
  const client = yield* PersistClient.PersistClient
  const { reader, writer } = yield* client.createOrLoad("documents", documents)
  const known = yield* Effect.scoped(
    Effect.flatMap(reader.snapshot(), ({ contents }) => Stream.runCollect(contents))
  )
  const current = new Map(known.map(([key, value]) => [key, value]))
  const { upper } = yield* client.description("documents")
  let time = upper
  const step = Effect.suspend(() => {
    const keys = new Set(Array.from({ length: documentsAStep }, () => `document ${random.int(documentCount)}`))
    const updates = [...keys].flatMap((key) => {
      const before = current.get(key)
      const after = new Document({
        title: key,
        step: time,
        tags: [random.pick(words), random.pick(words)],
        text: prose(random, 500 + random.int(7_500))
      })
      current.set(key, after)
      return [...(before === undefined ? [] : [Update.retract(key, before, time)]), Update.insert(key, after, time)]
    })
    time++
    return Effect.all([writer.append(updates), writer.seal(time)], { concurrency: "unbounded", discard: true })
  })
  return yield* every(50)(timed(options, "write", step))
})

const accounts = 100

const tables = Effect.fnUntraced(function*(options: Options) {
  const { random } = options
  const balances = yield* Balances
  const tasks = yield* Tasks
  const change = (key: string, by: number) =>
    balances.modify(key, (balance) => Option.some(Option.getOrElse(balance, () => 0) + by))
  const step = Effect.suspend(() => {
    const [from, to, task] = [`account ${random.int(accounts)}`, `account ${random.int(accounts)}`, random.int(300)]
    const move = Table.transaction(Effect.gen(function*() {
      yield* change(from, -1)
      yield* change(to, 1)
      yield* tasks.set(task, { state: random.pick(["open", "done"]), note: prose(random, 1000) })
    }))
    return random.chance(0.1) ? Effect.asVoid(tasks.remove(task)) : move
  })
  const read = Effect.all([Stream.runDrain(tasks.byState("done")), balances.get("account 7")], { discard: true })
  return yield* Effect.all([every(50)(timed(options, "write", step)), every(500)(read)], { concurrency: "unbounded" })
})

const session = { key: Codec.string, value: Codec.string }
const sessionCount = 10

/** Collections come and go, also those that an earlier process has left. */
const sessions = Effect.fnUntraced(function*({ random }: Options) {
  const client = yield* PersistClient.PersistClient
  const isSession = (name: string) => name.startsWith("session ")
  const left = (yield* client.descriptions).map(({ name }) => name).filter(isSession)
  const open = [...left]
  let made = left.reduce((most, name) => Math.max(most, Number(name.slice("session ".length)) + 1), 0)
  const step = Effect.gen(function*() {
    const name = `session ${made++}`
    open.push(name)
    const { writer } = yield* client.createOrLoad(name, session)
    for (let time = 0; time < 5; time++) {
      yield* writer.append([Update.insert(`part ${time}`, prose(random, 2000), time)])
      yield* writer.seal(time + 1)
    }
    while (open.length > sessionCount) yield* client.destroy(open.shift()!)
  })
  return yield* every(250)(step)
})

/** What readers have been handed, where they are to keep it. */
const kept: Array<unknown> = []

const subscribers = Effect.fnUntraced(function*({ leak, random }: Options) {
  const client = yield* PersistClient.PersistClient
  const { reader } = yield* client.createOrLoad("documents", documents)
  const tasks = yield* Tasks
  /** A quarter of a megabyte each, so that it is noticed soon, on a busy machine, too. */
  const note = (event: unknown) =>
    Effect.sync(() => leak === "memory" ? void kept.push(Array.from({ length: 32_768 }, () => event)) : undefined)
  /** From now on, again where it has fallen behind what is retained. */
  const subscribe = (each: (event: unknown) => Effect.Effect<void>) =>
    Effect.flatMap(
      client.description("documents"),
      ({ upper }) => Stream.runForEach(reader.subscribe({ from: upper }), each)
    ).pipe(
      Effect.catchTag("AsOfBeforeSince", () => Effect.void),
      Effect.forever
    )
  const listen = Effect.scoped(
    Effect.flatMap(reader.listen(), ({ events }) => Stream.runForEach(events, () => Effect.void))
  )
  const lagging = subscribe(() => Effect.suspend(() => Effect.sleep(random.int(1_000))))
  return yield* Effect.all([
    subscribe(note),
    ...Array.from({ length: 4 }, () => subscribe(() => Effect.void)),
    lagging,
    listen,
    Effect.forever(Effect.catchTag(Stream.runDrain(tasks.changes()), "AsOfBeforeSince", () => Effect.void))
  ], { concurrency: "unbounded" })
})

const reads = Effect.fnUntraced(function*(options: Options) {
  const client = yield* PersistClient.PersistClient
  const { reader } = yield* client.createOrLoad("documents", documents)
  const one = Effect.suspend(() => reader.get(`document ${options.random.int(documentCount)}`))
  const all = Effect.scoped(Effect.flatMap(reader.snapshot(), ({ contents }) => Stream.runDrain(contents)))
  return yield* Effect.all([every(50)(timed(options, "read", one)), every(2_000)(all)], { concurrency: "unbounded" })
})

/** Holds are taken, read and released, or, as a leak, never. */
const holds = Effect.fnUntraced(function*({ leak, random }: Options) {
  const client = yield* PersistClient.PersistClient
  const read = Effect.fnUntraced(function*(held: PersistClient.Hold) {
    const { reader } = yield* held.client.load("documents", documents)
    yield* Effect.scoped(Effect.flatMap(reader.snapshot(), ({ contents }) => Stream.runDrain(contents)))
  })
  const step = Effect.gen(function*() {
    const name = leak === "disk" ? `hold-${random.u32()}` : "hold"
    const held = yield* client.hold(name, { lease: leak === "disk" ? "1 hour" : "10 seconds" })
    yield* read(held)
    yield* Effect.sleep(500)
    if (leak !== "disk") yield* held.release
  })
  // A process that could not run for a while has lost its hold, or cannot take one between two compactions.
  const steps = Effect.catchTag(Effect.scoped(step), ["HoldExpired", "Unavailable"], () => Effect.void)
  return yield* every(leak === "disk" ? 100 : 1_000)(steps)
})

/** All of it at the same time, until it fails or is interrupted. */
export const run = (options: Options) =>
  Effect.all(
    [rewriting, tables, sessions, subscribers, reads, holds].map((part) => part(options)),
    { concurrency: "unbounded", discard: true }
  )
