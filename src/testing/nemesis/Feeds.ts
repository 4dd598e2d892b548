/**
 * Programs of operators that are cut short and begin again: upsert and persist, which seal their collections together,
 * and a retention policy.
 *
 * @internal
 */
import { Effect, Layer, Schedule, Stream } from "effect"
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
import { type Client, text } from "./World.ts"

/** The collections that only these programs write to: one value a key, and rows of any kind. */
const keyed = "upserted"
const plain = "persisted"

/** A key that cannot be encoded. */
const broken = "\ud800"

/** The events of the times in [from, to), and how many of their rows are refused. */
const inputs = ({ random, world }: Asking, from: number, to: number) => {
  const changes: Array<Flow.Event<string, Upsert.Change<string>>> = []
  const rows: Array<Flow.Event<string, string>> = []
  let refused = 0
  const key = (): string => {
    const isBroken = random.chance(0.1)
    if (isBroken) refused++
    return isBroken ? broken : random.pick(["a", "b", "c"])
  }
  for (let time = from; time < to; time++) {
    for (let left = random.int(4); left > 0; left--) {
      const value = `u${++world.commands}`
      const change = random.chance(0.2)
        ? Upsert.remove(key(), time, world.commands)
        : Upsert.put(key(), value, time, world.commands)
      changes.push(Flow.updates([change]))
    }
    if (random.chance(0.7)) rows.push(Flow.updates([Update.insert(key(), `p${++world.commands}`, time)]))
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
      const flow = conditionalSeal({
        primary: { flow: persist(beside!.writer)(Stream.fromIterable(rows)), write: beside!.writer },
        condition: {
          flow: Upsert.upsert(into!)(Stream.fromIterable(changes)),
          write: into!.writer
        }
      })
      const run = Stream.runForEach(flow, (event) =>
        Effect.sync(() => {
          if (event._tag === "Errors") errors += event.errors.length
        }))
      const call = { _tag: "Seal", collections: opened.map(({ id }) => id), upper: to } as const
      yield* world.recorder.record(node.client, call, run, () => ({ _tag: "Sequenced", seqNo: 0 }))
      if (errors > refused) world.problems.push(`a feed with ${refused} rows that do not encode has refused ${errors}`)
    })
  ).pipe(
    Effect.tapError((error) =>
      Effect.sync(() => {
        const tag = (error as { readonly _tag?: string })._tag
        if (tag === "NotKeyed") asked.world.problems.push("upsert has left a key with several values")
      })
    )
  )

/** A policy moves `since` for a while. */
export const retain = ({ node, random, world }: Asking) => (client: Client): Effect.Effect<unknown, unknown> => {
  const recording = {
    ...client,
    load: (name: string) =>
      Effect.flatMap(
        client.load(name, text),
        (handles) =>
          Effect.map(handles.reader.id, (id) => Recording.collection(world.recorder, node.client, { handles, id }))
      )
  }
  const policy = random.pick([Retention.times(3), Retention.latest, Retention.duration("5 seconds")])
  const layer = Retention.layer({ others: policy, schedule: Schedule.spaced("1 second") }).pipe(
    Layer.provide(Layer.succeed(PersistClient, recording as unknown as Client))
  )
  return Effect.scoped(Effect.andThen(Layer.build(layer), Effect.sleep(random.int(4_000))))
}
