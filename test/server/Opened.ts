// Pages of a server in a real browser.
import { Effect } from "effect"
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core"
import { executable } from "../web/Browser.ts"

/** A browser that asks nothing of the network by itself. */
const browser = Effect.acquireRelease(
  Effect.promise(() =>
    chromium.launch({
      ...(executable !== undefined && { executablePath: executable }),
      args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-sync"]
    })
  ),
  (opened: Browser) => Effect.promise(() => opened.close())
)

/** A page in a browser of its own, and what went wrong in it. */
export const opened = Effect.fnUntraced(function*(url: string, options: BrowserContextOptions = {}) {
  const page = yield* Effect.flatMap(browser, (each) => Effect.promise(() => each.newPage(options)))
  const errors: Array<string> = []
  page.on("pageerror", ({ message }) => errors.push(message))
  yield* Effect.promise(() => page.goto(url))
  return { page, errors }
})

/** Waits until the page says this of its state. */
export const said = (page: Page, text: string) => page.locator("p[role=status]").filter({ hasText: text }).waitFor()
