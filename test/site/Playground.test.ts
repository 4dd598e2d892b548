import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Playground from "../../.ci/playground.ts"
import { examples } from "../../site/playground/examples.ts"
import * as Browser from "../web/Browser.ts"

/** The address of the page. */
const served = Effect.gen(function*() {
  const folder = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "tidemark-playground-"))),
    (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
  )
  yield* Effect.promise(() => Playground.write(folder))
  const read = (name: string) => readFileSync(join(folder, name))
  return yield* Browser.serverOf(
    new Map([
      ["/", read("index.html")],
      ["/main.js", read("main.js")],
      ["/worker.js", read("worker.js")],
      ["/inspector.html", read("inspector.html")]
    ])
  )
})

/** What the examples print, and the collection that the inspector shows after them. */
const expected: Readonly<Record<string, readonly [output: string, collection: string]>> = {
  "A table, and its past": ["now  Draft of a plan\nthen Draft\n", "titles"],
  "Transactions": ["ada is too poor\nada 40 bob 60\n", "accounts"],
  "Collections and frontiers": [
    [`as of 0 [["ordered",1]]`, `as of 1 [["paid",1]]`, `as of 2 [["shipped",1]]`, `as of 3 [["delivered",1]]`, ""]
      .join("\n"),
    "orders"
  ]
}

describe.skipIf(Browser.executable === undefined)("the playground, in a browser", () => {
  it.live("runs each of its examples, and shows the store in the inspector, without a request to anywhere else", () =>
    Effect.gen(function*() {
      assert.sameMembers(Object.keys(expected), Object.keys(examples))
      const url = yield* served
      const browser = yield* Browser.running(yield* Browser.profile)
      yield* Effect.promise(async () => {
        const page = await browser.context.newPage()
        const elsewhere: Array<string> = []
        page.on("request", (request) => void (request.url().startsWith(url) || elsewhere.push(request.url())))
        await page.goto(url)
        const run = async (name: string, where: string) => {
          await page.selectOption("#where", where)
          await page.selectOption("#example", name)
          await page.click("#run")
          await page.waitForFunction(() => document.getElementById("output")!.textContent.includes("— done"))
          const [output, collection] = expected[name]!
          assert.strictEqual(await page.textContent("#output"), `${output}— done\n`)
          await page.frameLocator("#inspector").locator("h1", { hasText: collection }).waitFor()
        }
        for (const name of Object.keys(expected)) await run(name, "memory")
        for (const where of ["database", "files"]) {
          await run("A table, and its past", where)
          // What was stored is still there.
          await run("A table, and its past", where)
        }
        assert.deepStrictEqual(elsewhere, [])
      })
    }))

  it.live("says what is wrong with a program", () =>
    Effect.gen(function*() {
      const url = yield* served
      const browser = yield* Browser.running(yield* Browser.profile)
      yield* Effect.promise(async () => {
        const page = await browser.context.newPage()
        await page.goto(url)
        await page.fill("#code", `import fs from "node:fs"\nfs.readFileSync("x")`)
        await page.click("#run")
        await page.waitForFunction(() => document.getElementById("output")!.textContent.includes("Error"))
        assert.include(
          await page.textContent("#output"),
          `there is no module "node:fs" here; there are effect, tidemark`
        )
      })
    }))
})
