import { assert, describe, it } from "@effect/vitest"
import axe from "axe-core"
import { Effect } from "effect"
import type { Page } from "playwright-core"
import { executable } from "../web/Browser.ts"
import { looks, shown } from "./States.ts"

/** What is wider than the place it has, and short keys that are broken. Lanes and graphs may be wider: they are panned. */
const tooWide = (page: Page): Promise<ReadonlyArray<string>> =>
  page.evaluate(`[
    ...(document.documentElement.scrollWidth > innerWidth ? ["the page"] : []),
    ...[...document.querySelectorAll("#app, .top, .columns, nav, main, aside, .table")]
      .filter((each) => each.scrollWidth > each.clientWidth)
      .map((each) => each.localName + "." + each.className),
    ...[...document.querySelectorAll(".size td code")]
      .filter((key) => key.textContent.length < 12 && key.getClientRects().length > 1)
      .map((key) => "the key " + key.textContent)
  ]`)

const inaccessible = async (page: Page): Promise<ReadonlyArray<string>> => {
  await page.evaluate(axe.source)
  const { violations } = await page.evaluate<axe.AxeResults>(`axe.run(document, { resultTypes: ["violations"] })`)
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ help, nodes }) => `${help}: ${nodes.map(({ html }) => html.slice(0, 120)).join(", ")}`)
}

describe.skipIf(executable === undefined)("each state of the inspector", () => {
  for (const [look, options] of looks) {
    it.live(`fits the page and is readable by a screen reader, ${look}`, () =>
      Effect.gen(function*() {
        const wrong: Array<string> = []
        const errors = yield* shown(options, async (state, page) => {
          wrong.push(...[...await tooWide(page), ...await inaccessible(page)].map((each) => `${state}: ${each}`))
        })
        assert.deepStrictEqual(wrong, [])
        assert.deepStrictEqual(errors, [])
      }))
  }
})
