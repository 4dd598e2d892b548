/**
 * How the clients of a nemesis read: in every way that the API offers, each with its record in the history.
 *
 * @internal
 */
import { Effect, Stream } from "effect"
import type { CollectionEvent } from "../../client/CollectionEvent.ts"
import type { Row } from "../../client/Snapshot.ts"
import type * as Update from "../../Update.ts"
import type * as History from "../history/History.ts"
import type { Prng } from "../Prng.ts"
import type { Client, Node, Opened, Place, World } from "./World.ts"

/** The client that reads. */
export interface Reader {
  readonly world: World
  readonly node: Pick<Node, "client">
  readonly random: Prng
}

/** The client, and the collection that it reads. */
export interface Reading extends Reader, Opened {
  readonly client: Client
  readonly name: string
}

export type Read = (reading: Reading) => Effect.Effect<unknown, unknown>

/** Takes a snapshot, and reads it some time later. */
export const snapshot = (
  { node, random, world }: Reader,
  read: Opened["handles"]["reader"],
  collection: number,
  asOf: number | undefined
) => {
  const [wait, pause] = [random.chance(0.3), random.chance(0.2) ? random.int(2_000) : 0]
  const reading = Effect.gen(function*() {
    const taken = yield* read.snapshot({ asOf, wait })
    if (pause > 0) yield* Effect.sleep(pause)
    const rows = yield* Stream.runCollect(taken.contents)
    return { seqNo: taken.seqNo, since: taken.since, upper: taken.upper, rows }
  })
  return world.recorder.record(
    node.client,
    { _tag: "Snapshot", collection, asOf },
    Effect.scoped(reading),
    (contents) => ({ _tag: "Contents", ...contents })
  )
}

/** Subscribes until it is to end, and records how far it came. */
export const follow = (
  { node, world }: Omit<Reader, "random">,
  read: Opened["handles"]["reader"],
  collection: number,
  start: { readonly asOf?: number; readonly from?: number },
  place: Place
) =>
  Stream.suspend(() => {
    const tell = world.recorder.subscription(node.client, { _tag: "Subscribe", collection, ...start })
    return Stream.tap(read.subscribe(start), (event) =>
      Effect.sync(() => {
        tell(deliveredOf(event))
        if (event._tag === "Progress") place.frontier = Math.max(place.frontier, event.frontier)
      }))
  })

const deliveredOf = (event: CollectionEvent<string, string>): History.Delivered =>
  event._tag === "Progress" ? event : {
    _tag: "Updates",
    updates: event.updates.map(({ diff, key, time, value }) => [key, value, time, diff])
  }

/** Takes a snapshot, and listens for a while to the updates after it. */
export const listen: Read = ({ handles, id, node, random, world }) =>
  Effect.scoped(Effect.gen(function*() {
    const begin = Effect.gen(function*() {
      const { events, snapshot } = yield* handles.reader.listen()
      const rows = yield* Stream.runCollect(snapshot.contents)
      return { events, contents: { seqNo: snapshot.seqNo, since: snapshot.since, upper: snapshot.upper, rows } }
    })
    const { contents, events } = yield* world.recorder.record(
      node.client,
      { _tag: "Snapshot", collection: id },
      begin,
      ({ contents }) => ({ _tag: "Contents", ...contents })
    )
    const { rows, seqNo, upper } = contents
    const tell = world.recorder.subscription(node.client, { _tag: "Listen", collection: id, seqNo, upper, rows })
    yield* Stream.runForEach(events, (event) => Effect.sync(() => tell(deliveredOf(event)))).pipe(
      Effect.timeoutOption(random.int(5_000))
    )
  }))

/** The current frontiers of the collection, if it is still the one that was opened. */
const frontiers = ({ client, id, name }: Reading) =>
  Effect.map(client.description(name), (found) => found.id === id ? found : undefined)

/**
 * Subscribes from the frontiers at the limits: before `since` it must be rejected, and no update may be delivered
 * twice.
 */
export const resume: Read = Effect.fnUntraced(function*(reading: Reading) {
  const { handles, id, random } = reading
  const found = yield* frontiers(reading)
  if (found === undefined) return
  const { since, upper } = found
  const from = random.pick([since, since + 1, Math.max(0, upper - 1), upper, upper + 1, Infinity])
  yield* follow(reading, handles.reader, id, { from }, { collection: id, frontier: from }).pipe(
    Stream.runDrain,
    Effect.timeoutOption(random.int(2_000))
  )
})

const keys = ["a", "b", "c", "d", "e", "f"]

/** All contents, read by parts that are joined. */
const byParts = ({ handles, random }: Reading, asOf: number) =>
  Effect.scoped(Effect.flatMap(handles.reader.snapshot({ asOf }), (snapshot) =>
    Effect.map(
      Effect.forEach(snapshot.parts(1 + random.int(4)), (part) => Stream.runCollect(part)),
      (parts) => parts.flat().map(rowOf)
    )))

const rowOf = ({ diff, key, value }: Update.Update<string, string>): Row<string, string> => [key, value, diff]

/** All contents: those at the first time that is left, and the changes since. */
const byChanges = ({ handles }: Reading, since: number, asOf: number) =>
  Effect.gen(function*() {
    const first = yield* Stream.runCollect(handles.reader.range({ asOf: since }))
    return [...first, ...yield* Stream.runCollect(handles.reader.changes({ from: since, to: asOf }))]
    // If history was compacted meanwhile, the first time is rejected, which the client has not chosen.
  }).pipe(Effect.catchTag("AsOfBeforeSince", () => Effect.interrupt))

/** One key, from its history, which reaches back far enough if the time can be read afterwards. */
const byHistory = ({ handles }: Reading, key: string, asOf: number) =>
  Effect.tap(
    Effect.map(handles.reader.history(key), (updates) => updates.filter(({ time }) => time <= asOf).map(rowOf)),
    () => handles.reader.get(key, { asOf })
  )

const byGet = ({ handles }: Reading, key: string, asOf: number) =>
  Effect.map(
    handles.reader.get(key, { asOf }),
    (values) => values.map(([value, multiplicity]): Row<string, string> => [key, value, multiplicity])
  )

/** Reads a part of the contents, or all of them by parts, as of a complete time. */
export const readPart: Read = Effect.fnUntraced(function*(reading: Reading) {
  const { handles, id, node, random, world } = reading
  const found = yield* frontiers(reading)
  if (found === undefined || found.upper <= found.since) return
  const { since, upper } = found
  const asOf = since + random.int(upper - since)
  const first = random.int(keys.length - 1)
  const [from, next] = [keys[first]!, keys[first + 1]!]
  const to = random.pick(keys.slice(first + 1))
  const [reads, range] = random.pick<readonly [Effect.Effect<ReadonlyArray<History.Row>, unknown>, History.Keys?]>([
    [byParts(reading, asOf)],
    [byChanges(reading, since, asOf)],
    [byGet(reading, from, asOf), { from, to: next }],
    [byHistory(reading, from, asOf), { from, to: next }],
    [Stream.runCollect(handles.reader.range({ from, to, asOf })), { from, to }]
  ])
  yield* world.recorder.record(
    node.client,
    { _tag: "Snapshot", collection: id, asOf, keys: range },
    reads,
    (rows) => ({ _tag: "Contents", seqNo: 0, since, upper, rows })
  )
})
