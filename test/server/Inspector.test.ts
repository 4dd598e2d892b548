import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import type { Page } from "playwright-core"
import { page as made, target } from "../../.ci/inspector.ts"
import type { PersistClient } from "../../src/client/PersistClient.ts"
import * as Codec from "../../src/Codec.ts"
import * as Update from "../../src/Update.ts"
import { executable } from "../web/Browser.ts"
import { opened } from "./Opened.ts"
import * as Running from "./Running.ts"

const order = (i: number, status: string) => ({ status, note: `order ${i}` })

/** A thousand orders at time 1, of which one is paid at 5 and another one is gone at 7; and what is awkward to show. */
const fill = Effect.fnUntraced(function*(persist: PersistClient["Service"]) {
  const orders = yield* persist.createOrLoad("orders", { key: Codec.string, value: Codec.json })
  const name = (i: number) => `o-${String(i).padStart(4, "0")}`
  yield* orders.append(Array.from({ length: 1_000 }, (_, i) => Update.insert(name(i), order(i, "new"), 1)))
  yield* orders.append(Update.replace(name(3), order(3, "new"), order(3, "paid"), 5))
  yield* orders.append([Update.retract(name(4), order(4, "new"), 7)])
  yield* orders.seal(10)
  const large = yield* persist.createOrLoad("large", { key: Codec.string, value: Codec.json })
  yield* large.append([Update.insert("k", "x".repeat(2_000_000), 3)])
  yield* large.seal(Infinity)
  yield* persist.createOrLoad("nothing", { key: Codec.string, value: Codec.json })
})

const status = (page: Page) => page.locator("p[role=status]")

it("the page is the one that its sources make", async () => {
  const stored = readFileSync(join(import.meta.dirname, "../..", target), "utf8")
  assert.strictEqual(stored, await made(), "write it with: npm exec -c \"node .ci/inspector.ts\"")
  assert.isBelow(stored.length, 150_000)
})

describe.skipIf(executable === undefined)("the inspector, in a browser", () => {
  const inBrowser = (title: string, use: (page: Page, url: string) => Promise<void>) =>
    it.live(title, () =>
      Effect.gen(function*() {
        const { persist, url } = yield* Running.start()
        yield* fill(persist)
        const { errors, page } = yield* opened(url)
        yield* Effect.promise(() => use(page, url))
        assert.deepStrictEqual(errors, [])
      }))

  inBrowser("moves through time, and a link shows the same", async (page) => {
    await page.getByRole("button", { name: "orders" }).click()
    await status(page).filter({ hasText: "as of 9" }).waitFor()
    await page.getByRole("slider").fill("4")
    await status(page).filter({ hasText: "as of 4" }).waitFor()
    const row = page.getByRole("row").filter({ hasText: "o-0003" })
    assert.include(await row.innerText(), `"status":"new"`)
    await page.getByTitle("To the next change").click()
    await status(page).filter({ hasText: "as of 5" }).waitFor()
    await row.filter({ hasText: "paid" }).waitFor()
    await page.waitForURL(/asOf=5/)
    await page.reload()
    await status(page).filter({ hasText: "as of 5" }).waitFor()
    await page.getByTitle("To the change before").click()
    await status(page).filter({ hasText: "as of 4" }).waitFor()
  })

  inBrowser(
    "follows a slider that is dragged, without more changes of the address than browsers allow",
    async (page) => {
      await page.getByRole("button", { name: "orders" }).click()
      await status(page).filter({ hasText: "as of 9" }).waitFor()
      const calls = await page.evaluate(`(async () => {
      let calls = 0
      const replace = history.replaceState.bind(history)
      history.replaceState = (...args) => { calls++; replace(...args) }
      const slider = document.querySelector("input[type=range]")
      const set = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set
      for (let i = 0; i < 100; i++) {
        set.call(slider, String(2 + i % 7))
        slider.dispatchEvent(new Event("input", { bubbles: true }))
        await new Promise((resolve) => setTimeout(resolve, 0))
      }
      return calls
    })()`)
      await status(page).filter({ hasText: "as of 3" }).waitFor()
      await page.waitForURL(/asOf=3/)
      assert.isBelow(Number(calls), 100)
    }
  )

  inBrowser("shows the life of a key, and what differs between two times", async (page, url) => {
    await page.goto(`${url}/?collection=orders&since=1&asOf=9`)
    await status(page).filter({ hasText: "3 differences from 1 to 9" }).waitFor()
    const saving = page.waitForEvent("download")
    await page.getByRole("button", { name: "Save these" }).click()
    const lines = readFileSync(await (await saving).path(), "utf8").trim().split("\n")
    assert.deepStrictEqual(lines.map((line) => (JSON.parse(line) as { readonly diff: number }).diff), [-1, 1, -1])
    await page.getByRole("row").filter({ hasText: "paid" }).click()
    const life = page.getByRole("complementary")
    await life.getByText("changed at 5").waitFor()
    await life.getByText("set at 1").waitFor()
    assert.deepStrictEqual(
      (await life.locator("pre .added").allInnerTexts()).map((line) => line.trim()),
      [`+   "status": "paid"`]
    )
  })

  inBrowser("finds keys by their beginning, and reads on where one scrolls", async (page) => {
    await page.getByRole("button", { name: "orders" }).click()
    await status(page).filter({ hasText: "100 and more" }).waitFor()
    await page.getByRole("table").evaluate((table) => table.scrollTo(0, 1e9))
    await status(page).filter({ hasText: "600 and more" }).waitFor()
    await page.getByRole("table").evaluate((table) => table.scrollTo(0, 1e9))
    await status(page).filter({ hasText: "999 rows" }).waitFor()
    assert.isBelow(await page.getByRole("row").count(), 100, "rows out of sight are no elements")
    await page.getByLabel("Search").fill("o-001")
    await status(page).filter({ hasText: "10 rows" }).waitFor()
    await page.getByLabel("Search").fill("z")
    await page.getByText("No key is like that").waitFor()
  })

  inBrowser(
    "shows what is large, finished or empty as such, and never one collection's rows under another's name",
    async (page) => {
      await page.getByRole("button", { name: "orders" }).click()
      await page.getByRole("button", { name: "large" }).click()
      await status(page).filter({ hasText: "1 rows as of" }).waitFor()
      await page.getByRole("heading", { name: "large" }).waitFor()
      assert.notInclude(await page.getByRole("table").innerText(), "o-0")
      assert.isBelow((await page.getByRole("row").last().boundingBox())!.height, 60)
      assert.include(await page.getByRole("button", { name: "large" }).innerText(), "finished")
      await page.getByRole("row").last().click()
      await page.getByText("Show all 2,000,002 characters").waitFor()
      await page.getByRole("button", { name: "nothing" }).click()
      await page.getByText("No time of it is sealed yet").waitFor()
    }
  )

  it.live("shows which key made the store large and when it last changed, and what would free space", () =>
    Effect.gen(function*() {
      const { persist, url } = yield* Running.start()
      yield* fill(persist)
      const hot = yield* persist.createOrLoad("sessions", { key: Codec.string, value: Codec.string })
      for (let time = 1; time <= 40; time++) {
        const value = String(time).repeat(50_000)
        yield* hot.append([
          Update.insert("hot", value, time),
          Update.insert(`s-${time}`, "x", time),
          ...(time === 1 ? [] : [Update.retract("hot", String(time - 1).repeat(50_000), time)])
        ])
      }
      yield* hot.seal(41)
      yield* persist.hold("nightly", { lease: "1 hour" })
      const { errors, page } = yield* opened(url)
      yield* Effect.promise(async () => {
        await page.getByText(`"nightly", for 3600 s`).waitFor()
        const first = page.getByRole("row").nth(1)
        await first.getByRole("link", { name: "sessions" }).click()
        await page.getByRole("img", { name: "Batches by their times" }).waitFor()
        const largest = await page.getByRole("row").nth(1).innerText()
        assert.match(largest, /^hot\s+.* MB\s+79\s+40$/)
        await page.getByRole("button", { name: "Keeping the last sealed time alone" }).click()
        await page.getByText("tidemark compact sessions --since 40").waitFor()
        assert.match(await status(page).filter({ hasText: "would free" }).innerText(), /would free \d[\d.]* MB of/)
        await page.getByRole("row").nth(1).getByRole("button").click()
        await page.getByRole("complementary").getByText("changed at 40").waitFor()
        await page.reload()
        await page.getByRole("heading", { name: "The largest keys" }).waitFor()
        await page.getByRole("button", { name: "Why is it this big?" }).click()
        await status(page).filter({ hasText: "as of 40" }).waitFor()
      })
      assert.deepStrictEqual(errors, [])
    }))

  it.live("begins the slider at the first update, where times are dates", () =>
    Effect.gen(function*() {
      const { persist, url } = yield* Running.start()
      const dated = yield* persist.createOrLoad("dated", { key: Codec.string, value: Codec.json })
      const day = Date.UTC(2026, 0, 2)
      yield* dated.append([Update.insert("a", 1, day), Update.insert("b", 2, day + 5000)])
      yield* dated.seal(day + 10_000)
      const { page } = yield* opened(`${url}/?collection=dated`)
      yield* Effect.promise(async () => {
        const slider = page.getByRole("slider")
        await slider.waitFor()
        assert.strictEqual(await slider.getAttribute("min"), `${day}`)
        await slider.press("Home")
        await status(page).filter({ hasText: "1 rows as of 2026-01-02" }).waitFor()
      })
    }))

  it.live("asks for the token of a server that has one, and says what is wrong", () =>
    Effect.gen(function*() {
      const { url } = yield* Running.start({ token: Redacted.make("s3cret") })
      const { page } = yield* opened(url)
      yield* Effect.promise(async () => {
        await page.getByRole("alert").waitFor()
        await page.getByLabel("Token").fill("s3cret")
        await page.getByRole("button", { name: "Use" }).click()
        await page.getByText("The store has no collections yet.").waitFor()
      })
    }))
})
