/**
 * Programs of operators that are cut short and begin again: upsert and persist, which seal their collections together,
 * and a retention policy.
 *
 * @internal
 */
import { Deferred, Effect, Layer, Option, Schedule, Stream } from "effect"
import type { Ack, CollectionWriter } from "../../client/CollectionWriter.ts"
import { PersistClient } from "../../client/PersistClient.ts"
import * as Retention from "../../client/Retention.ts"
import * as Flow from "../../operators/Flow.ts"
import { persist } from "../../operators/Persist.ts"
import { conditionalSeal } from "../../operators/Seal.ts"
import { retractUnsealed } from "../../operators/Unsealed.ts"
import * as Upsert from "../../operators/Upsert.ts"
import * as Update from "../../Update.ts"
import { type Asking, openedOf } from "./Jobs.ts"
import * as Recording from "./Recording.ts"
import { type Client, type Opened, text } from "./World.ts"

/** The collections that only these programs write to: one value a key, and rows of any kind. */
const keyed = "upserted"
const plain = "persisted"

/** A key that cannot be encoded. */
const broken = "\ud800"

/**
 * The events of the times in [from, to), and how many errors they must give. Persist refuses every row of the broken key.
 * Upsert keeps the last change of a key at a time, and refuses it if it is a value. A removal of the broken key, which
 * never has a value, appends nothing.
 */
const inputs = ({ random, world }: Asking, from: number, to: number) => {
  const changes: Array<Flow.Event<string, Upsert.Change<string>>> = []
  const rows: Array<Flow.Event<string, string>> = []
  let refused = 0
  const key = (): string => random.chance(0.1) ? broken : random.pick(["a", "b", "c"])
  for (let time = from; time < to; time++) {
    let last: "value" | "removal" | undefined
    for (let left = random.int(4); left > 0; left--) {
      const value = `u${++world.commands}`
      const change = random.chance(0.2)
        ? Upsert.remove(key(), time, world.commands)
        : Upsert.put(key(), value, time, world.commands)
      changes.push(Flow.updates([change]))
      if (change.key === broken) last = Option.isSome(change.value.value) ? "value" : "removal"
    }
    if (last === "value") refused++
    if (random.chance(0.7)) {
      const row = Update.insert(key(), `p${++world.commands}`, time)
      rows.push(Flow.updates([row]))
      if (row.key === broken) refused++
    }
    for (const events of [changes, rows]) events.push(Flow.progress(time + 1))
  }
  return { changes, rows, refused }
}

/** One feed at a time in a process, as upsert expects. */
const busy = new WeakSet<object>()

const alone = (node: object, run: Effect.Effect<void, unknown>): Effect.Effect<void, unknown> =>
  Effect.suspend(() => {
    if (busy.has(node)) return Effect.void
    busy.add(node)
    return Effect.ensuring(run, Effect.sync(() => busy.delete(node)))
  })

/** The writer, and which of the rows that were offered to it are acknowledged. */
const watchAcks = (writer: CollectionWriter<string, string>) => {
  const acks = new Map<string, Ack>()
  const watching: CollectionWriter<string, string> = {
    ...writer,
    offer: (updates) => {
      const rows = Update.toArray(updates)
      return Effect.tap(writer.offer(rows), (ack) =>
        Effect.sync(() => {
          for (const { value } of rows) acks.set(value, ack)
        }))
    }
  }
  const isAcknowledged = ({ value }: Update.Update<string, string>): boolean => {
    const ack = acks.get(value)
    return ack !== undefined && Deferred.isDoneUnsafe(ack)
  }
  return { writer: watching, isAcknowledged }
}

/** Goes on where the feed before it has been cut short. */
export const feed = (asked: Asking) => (client: Client): Effect.Effect<unknown, unknown> =>
  alone(
    asked.node,
    Effect.gen(function*() {
      const { node, random, world } = asked
      const opened = yield* Effect.all([openedOf(asked, client, keyed), openedOf(asked, client, plain)])
      const [into, beside] = opened.map((each) => Recording.collection(world.recorder, node.client, each))
      const uppers = yield* Effect.forEach([keyed, plain], (name) => client.description(name))
      const from = Math.max(...uppers.map(({ upper }) => upper))
      const to = from + 1 + random.int(3)
      const { changes, refused, rows } = inputs(asked, from, to)
      yield* retractUnsealed(beside!.writer)
      let errors = 0
      const watched = watchAcks(beside!.writer)
      const flow = conditionalSeal({
        primary: { flow: persist(watched.writer)(Stream.fromIterable(rows)), write: beside!.writer },
        condition: {
          flow: Upsert.upsert(into!)(Stream.fromIterable(changes)),
          write: into!.writer
        }
      })
      const run = Stream.runForEach(flow, (event) =>
        Effect.sync(() => {
          if (event._tag === "Errors") errors += event.errors.length
          if (event._tag === "Updates" && !event.updates.every(watched.isAcknowledged)) {
            world.problems.push("persist has passed a row on that was not acknowledged")
          }
        }))
      const call = { _tag: "Seal", collections: opened.map(({ id }) => id), upper: to } as const
      // One that fails may have sealed some of the times, as one that is interrupted.
      const sealing = Effect.catchIf(Effect.tapError(run, notedOf(world)), () => true, () => Effect.interrupt)
      yield* world.recorder.record(node.client, call, sealing, () => ({ _tag: "Sequenced", seqNo: 0 }))
      if (errors !== refused) world.problems.push(`a feed gave ${errors} errors for ${refused} rows that do not encode`)
    })
  )

/** Notes the failure of a feed that no fault explains. */
const notedOf = (world: Asking["world"]) => (error: unknown) =>
  Effect.sync(() => {
    const tag = (error as { readonly _tag?: string })._tag
    if (tag === "NotKeyed") world.problems.push("upsert has left a key with several values")
  })

/** Policies, and how many of the last sealed times each of them keeps at least. */
const policies = [
  { policy: Retention.times(3), kept: 3 },
  { policy: Retention.latest, kept: 1 },
  { policy: Retention.duration("5 seconds"), kept: 1 }
]

/** A policy moves `since` for a while, and never gives up what it is to keep. */
export const retain = ({ node, random, world }: Asking) => (client: Client): Effect.Effect<unknown, unknown> => {
  const { kept, policy } = random.pick(policies)
  const judged = (name: string, { id, handles }: Opened) => {
    const { writer } = Recording.collection(world.recorder, node.client, { id, handles })
    const allowCompaction: typeof writer.allowCompaction = (since) =>
      Effect.flatMap(client.description(name), (now) => {
        if (now.id === id && since > now.upper - kept) {
          world.problems.push(
            `a policy that keeps ${kept} times gives up those before ${since}, sealed up to ${now.upper}`
          )
        }
        return writer.allowCompaction(since)
      }).pipe(Effect.catchTag("UnknownCollection", () => writer.allowCompaction(since)))
    return { writer: { ...writer, allowCompaction } }
  }
  const recording = {
    ...client,
    load: (name: string) =>
      Effect.flatMap(
        client.load(name, text),
        (handles) => Effect.map(handles.reader.id, (id) => judged(name, { handles, id }))
      )
  }
  const layer = Retention.layer({ others: policy, schedule: Schedule.spaced("1 second") }).pipe(
    Layer.provide(Layer.succeed(PersistClient, recording as unknown as Client))
  )
  return Effect.scoped(Effect.andThen(Layer.build(layer), Effect.sleep(random.int(4_000))))
}
