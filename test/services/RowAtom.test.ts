import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option, Schema } from "effect"
import { AsyncResult, Atom, AtomRegistry } from "effect/reactivity"
import * as PersistClient from "../../src/client/PersistClient.ts"
import * as RowAtom from "../../src/services/RowAtom.ts"
import * as Table from "../../src/tables/Table.ts"
import * as Services from "./Services.ts"

class Users extends Table.Service<Users>()("users", { key: Schema.String, value: Schema.String }) {}

const shown = (result: AsyncResult.AsyncResult<Option.Option<string>, unknown>) =>
  AsyncResult.isSuccess(result) ? Option.getOrNull(result.value) : result._tag

/** Waits in real time: the registry runs fibers of its own. */
const until = (holds: () => boolean) =>
  Effect.gen(function*() {
    for (let round = 0; round < 2000 && !holds(); round++) yield* Effect.sleep("1 millis")
    assert.isTrue(holds())
  })

describe("RowAtom", () => {
  it.live("has the value of its row, and each one after it, as long as it is mounted", () =>
    Effect.gen(function*() {
      const client = yield* Services.fresh
      const store = Layer.succeed(PersistClient.PersistClient, client)
      const runtime = Atom.runtime(Users.layer.pipe(Layer.provide(store)))
      const userOf = RowAtom.make(runtime, Users)
      const rename = runtime.fn((name: string) => Effect.flatMap(Users, (users) => users.set("ada", name)))
      const registry = AtomRegistry.make()
      yield* Effect.addFinalizer(() => Effect.sync(() => registry.dispose()))

      const seen: Array<string | null> = []
      const unmount = registry.subscribe(userOf("ada"), (result) => void seen.push(shown(result)), { immediate: true })
      registry.mount(rename)
      yield* until(() => seen.at(-1) === null)
      registry.set(rename, "Ada")
      yield* until(() => seen.at(-1) === "Ada")
      registry.set(rename, "Ada L.")
      yield* until(() => seen.at(-1) === "Ada L.")
      assert.strictEqual(seen[0], "Initial")
      assert.strictEqual(userOf("ada"), userOf("ada"))
      assert.strictEqual(shown(registry.get(userOf("ada"))), "Ada L.")
      unmount()
    }))

  it.live("fails with the error of the table", () =>
    Effect.gen(function*() {
      class Wrong extends Table.Service<Wrong>()("users", { key: Schema.String, value: Schema.Int }) {}
      const client = yield* Services.fresh
      const store = Layer.succeed(PersistClient.PersistClient, client)
      yield* Effect.provide(
        Effect.flatMap(Users, (users) => users.set("ada", "Ada")),
        Users.layer.pipe(Layer.provide(store))
      )
      const registry = AtomRegistry.make()
      yield* Effect.addFinalizer(() => Effect.sync(() => registry.dispose()))
      const runtime = Atom.runtime(Wrong.layer.pipe(Layer.provide(store)))
      const atom = RowAtom.make(runtime, Wrong)("ada")
      registry.mount(atom)
      yield* until(() => registry.get(atom)._tag === "Failure")
    }))
})
