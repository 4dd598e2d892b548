// The inspector at each of its states, over a store whose times and contents are always the same.
import { Effect, Stream } from "effect"
import type { BrowserContextOptions, Page } from "playwright-core"
import type { PersistClient } from "../../src/client/PersistClient.ts"
import * as Codec from "../../src/Codec.ts"
import { registered } from "../../src/operators/Registered.ts"
import * as Checker from "../../src/testing/history/Checker.ts"
import type * as History from "../../src/testing/history/History.ts"
import * as Recorded from "../../src/testing/history/Recorded.ts"
import * as Update from "../../src/Update.ts"
import { begun } from "./Begun.ts"
import { opened, said } from "./Opened.ts"
import * as Running from "./Running.ts"

const day = Date.UTC(2026, 0, 2)
const order = (i: number, status: string) => ({ status, note: `order ${i}`, lines: [{ item: "tea", count: i }] })
const name = (i: number) => `order-${String(i).padStart(4, "0")}`

const history: History.History = [
  ...begun,
  {
    client: "writer 1",
    call: { _tag: "Write", targets: [{ collection: 0, updates: [["lost", "row", 0, 1]] }] },
    outcome: "ok",
    invoked: 4,
    completed: 5,
    reply: { _tag: "Sequenced", seqNo: 1 }
  },
  {
    client: "reader 2",
    call: { _tag: "Snapshot", collection: 0 },
    outcome: "ok",
    invoked: 6,
    completed: 7,
    reply: { _tag: "Contents", seqNo: 1, since: 0, upper: 0, rows: [] }
  }
]

const recording = Recorded.text({
  replay: "tidemark simulate --seed 17",
  problem: "An acknowledged row is not there",
  history,
  violations: Checker.check(history)
})

/** Orders that change, and what is made of them. */
const fill = Effect.fnUntraced(function*(persist: PersistClient["Service"]) {
  const made = (of: string) => persist.createOrLoad(of, { key: Codec.string, value: Codec.json })
  const orders = yield* made("orders")
  yield* orders.append(Array.from({ length: 40 }, (_, i) => Update.insert(name(i), order(i, "new"), day)))
  yield* orders.append(Update.replace(name(3), order(3, "new"), order(3, "paid"), day + 5000))
  yield* orders.append([Update.retract(name(4), order(4, "new"), day + 7000)])
  yield* orders.seal(day + 10_000)
  const totals = yield* made("totals")
  yield* totals.append([Update.insert("tea", 780, day)])
  yield* totals.seal(day + 8000)
  yield* made("unsealed")
  const flow = registered(persist, { name: "count", from: [orders], to: totals })(Stream.never)
  yield* Effect.forkScoped(Stream.runDrain(flow), { startImmediately: true })
  return orders
})

interface Place {
  readonly page: Page
  readonly url: string
  /** The address of a server whose store is empty. */
  readonly empty: string
  /** Writes one more order. */
  readonly write: () => Promise<unknown>
}

const at = (query: string, ready: (page: Page) => Promise<void>) => async ({ page, url }: Place) => {
  await page.goto(`${url}/${query}`)
  await ready(page)
}

/** What is shown while each request for the collections is dealt with so. */
const answered = (body: string | undefined, text: string) => async ({ page, url }: Place) => {
  await page.route("**/collections", (route) => body === undefined ? undefined : route.fulfill({ status: 500, body }))
  await page.goto(url)
  await page.getByText(text).waitFor()
}

const compared = `?collection=orders&since=${day}`

/** Each state by its name, in an order in which none changes what a later one shows. */
export const states: ReadonlyMap<string, (place: Place) => Promise<void>> = new Map([
  ["start", at("", (page) => page.getByRole("heading", { name: "Flows" }).waitFor())],
  [
    "flows",
    at("", async (page) => {
      await page.getByRole("img", { name: "count" }).scrollIntoViewIfNeeded()
    })
  ],
  ["inspector", at("?collection=orders", (page) => said(page, "39 rows"))],
  ["comparison", at(compared, (page) => said(page, "3 differences"))],
  ["life", at(`${compared}&key="${name(3)}"`, (page) => page.getByText("changed at").waitFor())],
  [
    "size",
    at("?collection=orders&view=size", (page) => page.getByRole("heading", { name: "The largest keys" }).waitFor())
  ],
  ["simulation", at("?recording=failed.json", (page) => said(page, "Command 4 of 4"))],
  ["unsealed", at("?collection=unsealed", (page) => page.getByText("No time of it is sealed yet").waitFor())],
  ["not-found", at("?collection=orders&search=z", (page) => page.getByText("No key is like that").waitFor())],
  [
    "empty",
    async ({ empty, page }) => {
      await page.goto(empty)
      await page.getByText("The store has no collections yet.").waitFor()
      await page.getByText("No flow is registered").waitFor()
    }
  ],
  ["loading", answered(undefined, "Connecting ...")],
  ["error", answered(`{"title":"The disk is full."}`, "The disk is full.")],
  [
    "live",
    async ({ page, url, write }) => {
      await page.goto(`${url}/?collection=orders`)
      await page.getByLabel("Live").check()
      await said(page, "39 rows")
      await write()
      await said(page, "40 rows")
    }
  ]
])

/** Ways to look at it, by name: each colour, and each width. */
export const looks: ReadonlyMap<string, BrowserContextOptions> = new Map<string, BrowserContextOptions>([
  ["light-wide", { colorScheme: "light", viewport: { width: 1200, height: 720 } }],
  ["dark-narrow", { colorScheme: "dark", viewport: { width: 390, height: 720 } }]
])

/** Goes through all states in one look. */
export const shown = Effect.fnUntraced(function*(
  look: BrowserContextOptions,
  see: (state: string, page: Page) => Promise<void>
) {
  const recordings = (of: string) => Effect.succeed(of === "failed.json" ? recording : undefined)
  const { persist, url } = yield* Running.start({ recordings })
  const empty = yield* Running.start()
  const orders = yield* fill(persist)
  const write = () =>
    Effect.runPromise(
      Effect.andThen(
        orders.append([Update.insert("order-9999", order(9, "new"), day + 11_000)]),
        orders.seal(day + 20_000)
      )
    )
  const { errors, page } = yield* opened(url, look)
  page.setDefaultTimeout(10_000)
  for (const [state, open] of states) {
    yield* Effect.promise(async () => {
      await open({ page, url, empty: empty.url, write })
      await see(state, page)
      await page.unrouteAll({ behavior: "ignoreErrors" })
    })
  }
  return errors
})
