/**
 * Clients with named holds: what a hold shows stays readable, whatever the writer compacts, or the hold is lost.
 *
 * @internal
 */
import { Duration, Effect, Stream } from "effect"
import type * as PersistClient from "../../client/PersistClient.ts"
import type * as History from "../history/History.ts"
import * as Jobs from "./Jobs.ts"
import { type Client, text } from "./World.ts"

const names = ["one", "two"]

export const longestLease = Duration.seconds(30)

/** Errors of a read of complete times in a hold. Storage that fails is no reason to doubt the hold. */
const allowed = new Set(["HoldExpired", "Unavailable", "RuntimeShutdown", "UnknownCollection", "Fenced"])

/** Takes or resumes a hold, reads from it for a while, and may release it. */
export const hold = (asked: Jobs.Asking) => (client: Client): Effect.Effect<unknown, unknown> =>
  Effect.scoped(Effect.gen(function*() {
    const { random, world } = asked
    const reader = `hold ${++world.clients}`
    yield* compacted(asked, client)
    const lease = random.pick([1_000, 5_000, Duration.toMillis(longestLease)])
    const held = yield* world.recorder.record(
      reader,
      { _tag: "Open", mode: "reader" },
      client.hold(random.pick(names), { lease }),
      () => ({ _tag: "Done" })
    )
    for (let left = 1 + random.int(3); left > 0; left--) {
      yield* readAll(asked, reader, held)
      yield* Effect.ignore(Jobs.byStep.write(asked)(client))
      yield* compacted(asked, client)
      yield* Effect.sleep(random.int(10_000))
    }
    if (random.chance(0.3)) yield* held.release
  }))

/** A writer replaces the batches that a hold before it names. */
const compacted = ({ name, node }: Jobs.Asking, client: Client) =>
  node.mode === "writer" ? Effect.ignore(client.compact(name)) : Effect.void

/** Reads each collection as of a complete time that the hold has. */
const readAll = (asked: Jobs.Asking, reader: string, held: PersistClient.Hold) =>
  Effect.flatMap(
    held.client.descriptions,
    (all) => Effect.forEach(all, (found) => read(asked, reader, held, found), { discard: true })
  )

const read = (
  { random, world }: Jobs.Asking,
  reader: string,
  held: PersistClient.Hold,
  found: PersistClient.Description
) =>
  Effect.gen(function*() {
    const { id, since, upper } = found
    if (upper <= since) return
    const asOf = upper === Infinity ? since : since + random.int(upper - since)
    const rows = Effect.gen(function*() {
      const { reader } = yield* held.client.load(found.name, text)
      const snapshot = yield* reader.snapshot({ asOf, wait: false })
      return yield* Stream.runCollect(snapshot.contents)
    })
    const reply = (rows: ReadonlyArray<History.Row>): History.Reply => ({
      _tag: "Contents",
      seqNo: held.seqNo,
      since,
      upper,
      rows
    })
    yield* world.recorder.record(reader, { _tag: "Snapshot", collection: id, asOf }, Effect.scoped(rows), reply).pipe(
      Effect.catchIf(() => true, (error) =>
        Effect.sync(() => {
          const tag = (error as { readonly _tag?: string })._tag ?? String(error)
          if (!allowed.has(tag)) world.problems.push(`a hold did not show a time that it had: ${tag}`)
        }))
    )
  })
