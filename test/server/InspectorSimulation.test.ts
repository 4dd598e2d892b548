import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import type { Page } from "playwright-core"
import * as Checker from "../../src/testing/history/Checker.ts"
import type * as History from "../../src/testing/history/History.ts"
import * as Recorded from "../../src/testing/history/Recorded.ts"
import { executable } from "../web/Browser.ts"
import { begun } from "./Begun.ts"
import { opened, said } from "./Opened.ts"
import * as Running from "./Running.ts"

const history: History.History = [
  ...begun,
  {
    client: "reader 2",
    call: { _tag: "Open", mode: "reader" },
    outcome: "ok",
    invoked: 4,
    completed: 6,
    reply: { _tag: "Done" }
  },
  {
    client: "writer 1",
    call: { _tag: "Write", targets: [{ collection: 0, updates: [["lost", "row", 0, 1]] }] },
    outcome: "ok",
    invoked: 5,
    completed: 7,
    reply: { _tag: "Sequenced", seqNo: 1 }
  },
  {
    client: "reader 2",
    call: { _tag: "Snapshot", collection: 0 },
    outcome: "ok",
    invoked: 8,
    completed: 9,
    reply: { _tag: "Contents", seqNo: 1, since: 0, upper: 0, rows: [] }
  },
  { client: "writer 1", call: { _tag: "Seal", collections: [0], upper: 1 }, outcome: "unknown", invoked: 10 }
]

const violations = Checker.check(history)
const problem = `${violations[0]?.kind}: a row is not there`
const saved = (text: string) => ({ name: "failed.json", mimeType: "application/json", buffer: Buffer.from(text) })
const recorded = Recorded.text({ replay: "tidemark simulate --seed 17", problem, history, violations })
const file = saved(recorded)
const recordings = (name: string) => Effect.succeed(name === "failed.json" ? recorded : undefined)

describe.skipIf(executable === undefined)("a simulation in the inspector", () => {
  const inBrowser = (title: string, use: (page: Page, url: string) => Promise<void>) =>
    it.live(title, () =>
      Effect.gen(function*() {
        const { url } = yield* Running.start({ recordings })
        const { errors, page } = yield* opened(url)
        yield* Effect.promise(() => use(page, url))
        assert.deepStrictEqual(errors, [])
      }))

  inBrowser("begins at the violation, has a lane for each process, and is stepped through by keys", async (page) => {
    assert.isNotEmpty(violations)
    assert.strictEqual(violations[0]!.operation, 4)
    await page.getByLabel("Open a simulation").setInputFiles(file)
    await said(page, "Command 5 of 6")
    const command = page.getByRole("region", { name: "The chosen command" })
    assert.include(await command.innerText(), violations[0]!.kind)
    assert.include(await command.innerText(), "reader 2: Snapshot")
    assert.deepStrictEqual(await page.locator(".lane > span").allInnerTexts(), ["writer 1", "reader 2"])
    assert.strictEqual(await page.locator("rect.wrong.chosen").count(), 1)
    assert.strictEqual(await page.locator("rect.unknown").count(), 1)
    await page.keyboard.press("ArrowLeft")
    await said(page, "Command 4 of 6")
    assert.include(await command.innerText(), `"lost"`)
    assert.include(await command.innerText(), "answered at 7: ok")
    await page.keyboard.press("End")
    await said(page, "Command 6 of 6")
    assert.include(await command.innerText(), "never answered")
    await page.keyboard.press("ArrowRight")
    await page.keyboard.press("Home")
    await said(page, "Command 1 of 6")
    await page.getByRole("button", { name: "To the violation" }).click()
    await said(page, "Command 5 of 6")
    await page.locator("rect").first().click()
    await said(page, "Command 1 of 6")
    await page.getByText(problem).first().click()
    await page.getByText("tidemark simulate --seed 17").waitFor()
    await page.getByRole("button", { name: "Close" }).click()
    await page.getByRole("heading", { name: "Choose a collection" }).waitFor()
  })

  inBrowser("is dropped on the page, and a file that is none is refused in words", async (page) => {
    const drop = (text: string) =>
      page.evaluate(`{
        const data = new DataTransfer()
        data.items.add(new File([${JSON.stringify(text)}], "failed.json"))
        dispatchEvent(new DragEvent("drop", { dataTransfer: data, cancelable: true }))
      }`)
    const refusal = page.getByRole("alert")
    for (const text of ["{", "null", "{}", `{"tidemarkHistory":1,"history":[null],"violations":[]}`]) {
      await drop(text)
      await refusal.filter({ hasText: "no history of a simulation" }).waitFor()
    }
    await drop(`{"tidemarkHistory":2}`)
    await refusal.filter({ hasText: "a newer inspector" }).waitFor()
    await drop(file.buffer.toString())
    await said(page, "Command 5 of 6")
    assert.strictEqual(await refusal.count(), 0)
  })

  inBrowser("is opened by a link, at a step, and the link follows", async (page, url) => {
    await page.goto(`${url}/?recording=failed.json`)
    await said(page, "Command 5 of 6")
    await page.keyboard.press("ArrowLeft")
    await said(page, "Command 4 of 6")
    await page.waitForURL(/recording=failed.json&step=4$/)
    await page.reload()
    await said(page, "Command 4 of 6")
    await page.getByRole("button", { name: "Close" }).click()
    await page.getByRole("heading", { name: "Choose a collection" }).waitFor()
    assert.strictEqual(new URL(page.url()).search, "")
    await page.goBack()
    await said(page, "Command 4 of 6")
    await page.goto(`${url}/?recording=failed.json&step=99`)
    await said(page, "Command 6 of 6")
    await page.goto(`${url}/?recording=other.json`)
    await page.getByRole("alert").filter({ hasText: "other.json" }).waitFor()
  })
})

describe("recordings of a server", () => {
  it.live("are given by their names, to whoever has all rights, and are none by default", () =>
    Effect.gen(function*() {
      const token = Redacted.make("s3cret")
      const { url } = yield* Running.start({ recordings, token })
      const headers = { authorization: "Bearer s3cret" }
      const found = yield* Running.ask(`${url}/recordings/failed.json`, { headers })
      assert.deepInclude(found, { status: 200, body: JSON.parse(recorded) as unknown })
      assert.strictEqual((yield* Running.ask(`${url}/recordings/failed.json`)).status, 401)
      const asked: Array<string> = []
      const other = yield* Running.start({
        recordings: (name) => Effect.sync(() => void asked.push(name))
      })
      for (const name of ["other.json", "..%2fother.json", "a%2fb", ".hidden", ""]) {
        assert.strictEqual((yield* Running.ask(`${other.url}/recordings/${name}`)).status, 404, name)
      }
      assert.deepStrictEqual(asked, ["other.json"])
      const none = yield* Running.start()
      assert.strictEqual((yield* Running.ask(`${none.url}/recordings/failed.json`)).status, 404)
    }))
})
