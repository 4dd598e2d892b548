import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import * as Codec from "../../src/Codec.ts"
import { registered } from "../../src/operators/Registered.ts"
import { executable } from "../web/Browser.ts"
import { opened } from "./Opened.ts"
import * as Running from "./Running.ts"

describe.skipIf(executable === undefined)("the flows of a store in the inspector", () => {
  it.live("are a graph with how far each collection is behind what it is made of", () =>
    Effect.gen(function*() {
      const { persist, url } = yield* Running.start()
      const made = (name: string, upper: number) =>
        Effect.tap(
          persist.createOrLoad(name, { key: Codec.string, value: Codec.json }),
          (collection) => collection.seal(upper)
        )
      const orders = yield* made("orders", 100)
      const customers = yield* made("customers", 90)
      const totals = yield* made("totals", 90)
      const top = yield* made("top", Infinity)
      const run = (name: string, from: ReadonlyArray<typeof orders>, to: typeof orders) =>
        Effect.forkChild(Stream.runDrain(registered(persist, { name, from, to })(Stream.never)), {
          startImmediately: true
        })
      yield* run("join", [orders, customers], totals)
      yield* run("rank", [totals], top)
      const { errors, page } = yield* opened(url)
      yield* Effect.promise(async () => {
        const graph = page.getByRole("img", { name: "join: totals is 10 behind of orders" })
        await graph.waitFor()
        assert.deepStrictEqual(await graph.locator(".name").allTextContents(), ["orders", "customers", "totals", "top"])
        assert.deepStrictEqual(
          await graph.locator("text[text-anchor]").evaluateAll((all) =>
            all.map((each) => each.firstChild?.textContent)
          ),
          ["10 behind", "up to date", "up to date"]
        )
        await graph.locator("rect").nth(2).click()
        await page.getByRole("heading", { name: "totals" }).waitFor()
      })
      assert.deepStrictEqual(errors, [])
    }))
})
