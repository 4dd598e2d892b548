/**
 * Judges a store that was left by a crash: it opens, it holds a state that the account of the workload allows, every read
 * agrees with that state, and it goes on.
 */
import { assert } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import type * as PersistClient from "../../src/client/PersistClient.ts"
import * as Update from "../../src/Update.ts"
import type * as Faulty from "../utils/Faulty.ts"
import * as Model from "../utils/Model.ts"
import * as Store from "../utils/Store.ts"
import type * as Workload from "./Workload.ts"

type Client = PersistClient.PersistClient["Service"]

/** A store as text that two states have in common if nothing distinguishes them. A collection without anything is none. */
const show = (contents: Workload.Contents): string =>
  JSON.stringify(
    [...contents].toSorted(([a], [b]) => a < b ? -1 : 1).flatMap(([name, { since, updates, upper }]) => {
      const left = Model.consolidate(updates, since).map(({ diff, key, time, value }) => [key, value, time, diff])
      return left.length === 0 && upper === 0 && since === 0 ? [] : [[name, since, upper, left]]
    })
  )

const found = Effect.fnUntraced(function*(client: Client) {
  const contents = new Map<string, Model.Model>()
  for (const { name, since, upper } of yield* client.descriptions) {
    const { reader } = yield* client.load(name, Store.text)
    contents.set(name, { since, upper, updates: [...yield* Store.updates(reader)] })
  }
  return contents
})

const checkReads = Effect.fnUntraced(function*(client: Client, contents: Workload.Contents) {
  for (const [name, model] of contents) {
    const { reader } = yield* client.createOrLoad(name, Store.text)
    assert.deepStrictEqual(yield* Store.contents(reader), Model.contents(model), name)
    const { since, upper } = model
    for (const asOf of new Set([since, Math.floor((since + upper) / 2), upper - 1])) {
      if (asOf < since || asOf >= upper) continue
      assert.deepStrictEqual(yield* Store.contents(reader, asOf), Model.contents(model, asOf), `${name} as of ${asOf}`)
      assert.deepStrictEqual(
        [...yield* reader.get("k1", { asOf })].map(([value, n]) => ["k1", value, n]),
        Model.contents(model, asOf).filter(([key]) => key === "k1").map((row) => [...row]),
        `k1 of ${name} as of ${asOf}`
      )
    }
  }
})

/** What a store holds: every read agrees with it. */
const examine = Effect.fnUntraced(function*(client: Client) {
  const contents = yield* found(client)
  yield* checkReads(client, contents)
  return contents
})

/** The row that the judge writes into a store, and what the store holds then. */
const goneOn = (contents: Workload.Contents) => {
  const model = contents.get("a") ?? Model.make()
  const row = Update.insert("after", "the crash", model.upper)
  const after: Model.Model = { ...model, updates: [...model.updates, row], upper: model.upper + 1 }
  return { row, contents: new Map(contents).set("a", after) }
}

/**
 * Opens the store twice: as the crash has left it, and after a write, a seal and maintenance. Returns what it held at first,
 * which must then be recognised.
 */
export const open = Effect.fnUntraced(function*(storage: Effect.Effect<Faulty.Storage, never, Scope.Scope>) {
  const contents = yield* Store.inScope(Effect.gen(function*() {
    const client = yield* Store.client(yield* storage, Store.tiny)
    const contents = yield* examine(client)
    const { row } = goneOn(contents)
    const { writer } = yield* client.createOrLoad("a", Store.text)
    yield* writer.append([row])
    yield* writer.seal(row.time + 1)
    yield* client.maintain
    return contents
  }))
  yield* Store.inScope(Effect.gen(function*() {
    const opened = yield* storage
    const client = yield* Store.client(opened, Store.tiny)
    recognise(yield* examine(client), [goneOn(contents).contents])
    yield* client.maintain
    assert.deepStrictEqual(
      yield* Store.storedKeys(opened),
      yield* Store.referencedKeys(opened),
      "blobs that nothing refers to are gone"
    )
  }))
  return contents
})

/** What a store holds must be allowed. Returns the state that it is. */
export const recognise = (
  contents: Workload.Contents,
  allowed: ReadonlyArray<Workload.Contents>
): Workload.Contents => {
  const seen = show(contents)
  return allowed.find((state) => show(state) === seen) ??
    assert.fail(`the store holds\n${seen}\nbut may only hold\n${allowed.map(show).join("\nor\n")}`)
}

/** Opens a store, recognises it, and returns what it holds at the end. */
export const judge = (
  storage: Effect.Effect<Faulty.Storage, never, Scope.Scope>,
  allowed: ReadonlyArray<Workload.Contents>
) => Effect.map(open(storage), (contents) => goneOn(recognise(contents, allowed)).contents)
