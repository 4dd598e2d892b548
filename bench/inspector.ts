/**
 * The inspector in a browser: `npm run bench -- inspector`, at full scale on 10,000,000 updates of 100,000 keys in files.
 *
 * First paint is what the browser reports of the page, with a collection chosen by its link; rows are there when the first
 * one is. A step of the slider lasts from its event until the rows of that time are shown. Needs Chromium; everything runs
 * on this machine, so that the server and the browser share its cores.
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { type Context, Effect, Layer } from "effect"
import { HttpServer } from "effect/http"
import { createServer } from "node:http"
import * as path from "node:path"
import { chromium, type Page } from "playwright-core"
import { Codec, PersistClient } from "../src/index.ts"
import { FileStorage } from "../src/node/index.ts"
import { Server } from "../src/server/index.ts"
import * as Lines from "./Lines.ts"
import { count, loadAverage, median, quantile, scratch } from "./Measure.ts"
import * as Target from "./Target.ts"

const updates = count(10_000_000)
const times = Math.ceil(updates / Lines.batchRows)
const steps = 60
const visits = 10

const fill = Effect.gen(function*() {
  const persist = yield* PersistClient.PersistClient
  const { writer } = yield* persist.createOrLoad("rows", { key: Codec.string, value: Codec.string })
  for (let time = 0; time < times; time++) {
    yield* writer.append(Lines.batch(time))
    if (time % 100 === 99) yield* writer.seal(time + 1)
  }
  yield* writer.seal(times)
  yield* persist.maintain
})

interface Visit {
  readonly paint: number
  readonly rows: number
}

/** Opens the page anew. Milliseconds from the navigation on, by the clock of the browser. */
const visit = async (page: Page, url: string): Promise<Visit> => {
  await page.goto("about:blank")
  await page.goto(url)
  const row = page.getByRole("row").nth(1)
  await row.waitFor()
  return page.evaluate(() => ({
    paint: performance.getEntriesByName("first-contentful-paint")[0]!.startTime,
    rows: performance.now()
  }))
}

/** Moves the slider, and waits until the page says that it shows the time. */
const step = (page: Page, time: number): Promise<number> =>
  page.evaluate(async (time) => {
    const slider = document.querySelector<HTMLInputElement>("input[type=range]")!
    const shown = `as of ${time.toLocaleString("en").replaceAll(",", " ")} `
    const began = performance.now()
    Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value")!.set!.call(slider, `${time}`)
    slider.dispatchEvent(new Event("input", { bubbles: true }))
    const status = (): string => document.querySelector("p[role=status]")?.textContent ?? ""
    for (let text = status(); !text.includes(shown); text = status()) await new Promise(requestAnimationFrame)
    return performance.now() - began
  }, time)

const measure = async (url: string) => {
  const browser = await chromium.launch({
    executablePath: process.env["TIDEMARK_CHROMIUM"] ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-sync"]
  })
  try {
    const page = await browser.newPage()
    const visited: Array<Visit> = []
    for (let i = 0; i < visits; i++) visited.push(await visit(page, `${url}/?collection=rows`))
    const moved: Array<number> = []
    for (let i = 0; i < steps; i++) moved.push(await step(page, (i * 7919 + 13) % (times - 1)))
    return { paint: visited.map(({ paint }) => paint), rows: visited.map(({ rows }) => rows), moved }
  } finally {
    await browser.close()
  }
}

const program = Effect.gen(function*() {
  yield* fill
  const { address } = yield* HttpServer.HttpServer
  const { moved, paint, rows } = yield* Effect.promise(() => measure(HttpServer.formatAddress(address)))
  const millis = (value: number): string => `${value.toFixed(0)} ms`
  Target.print([
    {
      work: `first paint, ${updates.toLocaleString("en")} updates, median of ${visits}`,
      figure: `${millis(median(paint))} (first ${millis(paint[0]!)})`,
      target: "300 ms",
      holds: median(paint) < 300
    },
    { work: "the same, until rows are there", figure: millis(median(rows)), target: "", holds: true },
    {
      work: `a step of the slider, ${Math.min(updates, Lines.keys.length).toLocaleString("en")} keys, p95 of ${steps}`,
      figure: `${millis(quantile(moved, 0.95))} (p50 ${millis(median(moved))})`,
      target: "100 ms",
      holds: quantile(moved, 0.95) < 100
    }
  ])
  console.log(`load ${loadAverage()}`)
})

const http = NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 0, gracefulShutdownTimeout: 0 })
const storage = FileStorage.layer({ directory: path.join(scratch("inspector"), "store") })
const served = Server.layer().pipe(
  Layer.provideMerge(PersistClient.layer()),
  Layer.provide(storage),
  Layer.provideMerge(http)
)

await Effect.runPromise(
  Effect.scoped(
    Effect.flatMap(
      Layer.build(served),
      (running: Context.Context<HttpServer.HttpServer | PersistClient.PersistClient>) =>
        Effect.provideContext(program, running)
    )
  )
)
