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

/** What the store holds must be allowed; returns it. */
const recognise = Effect.fnUntraced(function*(client: Client, allowed: ReadonlyArray<Workload.Contents>) {
  const seen = show(yield* found(client))
  const state = allowed.find((contents) => show(contents) === seen)
  if (state === undefined) {
    return assert.fail(`the store holds\n${seen}\nbut may only hold\n${allowed.map(show).join("\nor\n")}`)
  }
  yield* checkReads(client, state)
  return state
})

/**
 * Opens the store twice: as the crash has left it, and after a write, a seal and maintenance. Returns what it holds then.
 */
export const judge = Effect.fnUntraced(function*(
  storage: Effect.Effect<Faulty.Storage, never, Scope.Scope>,
  allowed: ReadonlyArray<Workload.Contents>
) {
  const state = yield* Store.inScope(Effect.gen(function*() {
    const client = yield* Store.client(yield* storage, Store.tiny)
    const state = yield* recognise(client, allowed)
    const model = state.get("a") ?? Model.make()
    const row = Update.insert("after", "the crash", model.upper)
    const { writer } = yield* client.createOrLoad("a", Store.text)
    yield* writer.append([row])
    yield* writer.seal(model.upper + 1)
    yield* client.maintain
    return new Map(state).set("a", { ...model, updates: [...model.updates, row], upper: model.upper + 1 })
  }))
  yield* Store.inScope(Effect.gen(function*() {
    const opened = yield* storage
    const client = yield* Store.client(opened, Store.tiny)
    yield* recognise(client, [state])
    yield* client.maintain
    assert.deepStrictEqual(
      yield* Store.storedKeys(opened),
      yield* Store.referencedKeys(opened),
      "blobs that nothing refers to are gone"
    )
  }))
  return state
})
