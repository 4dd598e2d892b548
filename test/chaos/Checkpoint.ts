/**
 * What a store has while no client works on it, written down as the history of one client that has asked for all of it. A history
 * that begins with a checkpoint can be judged by itself, so that a store may grow old while its judge stays young.
 */
import { Effect, Stream } from "effect"
import { PersistClient } from "tidemark"
import type * as History from "../../src/testing/history/History.ts"
import * as World from "../../src/testing/nemesis/World.ts"
import * as Journal from "./Journal.ts"

/** Who is said to have asked for it. */
export const client = "checkpoint"

interface Collection {
  readonly id: number
  readonly name: string
  readonly since: number
  readonly upper: number
  readonly seqNo: number
  readonly updates: ReadonlyArray<History.Update>
}

/** Reads everything that there is. Others must not write meanwhile. */
export const take = Effect.scoped(Effect.gen(function*() {
  const persist = yield* PersistClient.makeReadOnly()
  const collections = yield* Effect.forEach(
    yield* persist.descriptions,
    ({ id, name, since, upper }) =>
      Effect.scoped(Effect.gen(function*() {
        const { reader } = yield* persist.load(name, World.text)
        const snapshot = yield* reader.snapshot()
        const updates = (yield* Stream.runCollect(snapshot.updates)).map((
          { diff, key, time, value }
        ): History.Update => [key, value, time, diff])
        return { id, name, since, upper, seqNo: snapshot.seqNo, updates } satisfies Collection
      }))
  )
  return historyOf(collections)
}))

/** The history of a client that has made these collections, one command after the other. */
const historyOf = (collections: ReadonlyArray<Collection>): ReadonlyArray<Journal.Line> => {
  const seqNo = collections.reduce((most, each) => Math.max(most, each.seqNo), 0)
  const sequenced: History.Reply = { _tag: "Sequenced", seqNo }
  const targets = collections.filter(({ updates }) => updates.length > 0)
    .map(({ id, updates }) => ({ collection: id, updates }))
  const asked: ReadonlyArray<readonly [History.Call, History.Reply]> = [
    [{ _tag: "Open", mode: "writer" }, { _tag: "Done" }],
    ...collections.map(({ id, name }) => [{ _tag: "Register", name }, { _tag: "Registered", collection: id }] as const),
    ...(targets.length === 0 ? [] : [[{ _tag: "Write", targets }, sequenced] as const]),
    ...collections.flatMap(({ id, since, upper }) => [
      [{ _tag: "Seal", collections: [id], upper }, sequenced] as const,
      [{ _tag: "AllowCompaction", collections: [id], since }, sequenced] as const
    ])
  ]
  return asked.map(([call, reply], i) => ({
    _tag: "Operation",
    id: `${client} ${i}`,
    operation: { client, call, outcome: "ok", invoked: Journal.now(), completed: Journal.now(), reply }
  }))
}
