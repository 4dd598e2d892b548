/** A headless Chromium with a profile of its own, and a server for its pages. */
import { Effect } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import fs from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type Browser, type BrowserContext, chromium } from "playwright-core"
import { afterwards } from "../utils/Guard.ts"

/** Where the distribution has it; without one the tests are skipped. */
export const executable = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"]
  .find((path) => fs.existsSync(path))

/** The address of a server with these scripts and pages. The page at any other path runs the script of its name. */
export const serverOf = Effect.fnUntraced(function*(files: ReadonlyMap<string, Uint8Array>) {
  const listening = yield* Effect.acquireRelease(
    Effect.promise(async () => {
      const made = createServer(({ url = "" }, response) => {
        const path = new URL(url, "http://localhost").pathname
        response.setHeader("content-type", path.endsWith(".js") ? "text/javascript" : "text/html")
        response.end(
          files.get(path) ?? `<!doctype html><title>Tidemark</title><script type="module" src="${url}.js"></script>`
        )
      })
      await once(made.listen(0, "127.0.0.1"), "listening")
      return made
    }),
    (made) => Effect.sync(() => made.close())
  )
  return `http://127.0.0.1:${(listening.address() as AddressInfo).port}/`
})

/** A new profile, which survives its browser. */
export const profile = Effect.acquireRelease(
  Effect.sync(() => fs.mkdtempSync(join(tmpdir(), "tidemark-chromium-"))),
  (path) => Effect.sync(() => fs.rmSync(path, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 }))
)

export interface Running {
  readonly context: BrowserContext
  /** Kills it with all of its processes, as a crash would. */
  readonly kill: () => Promise<void>
}

const flags = [
  "--headless=new",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--disable-background-networking",
  "--disable-sync",
  "--no-first-run",
  "--remote-debugging-port=0"
]

const addressOf = (child: ChildProcess): Promise<string> =>
  new Promise((resolve, reject) => {
    let said = ""
    child.stderr!.on("data", (bytes) => {
      said += String(bytes)
      const [, address] = /^DevTools listening on (ws:\S+)/m.exec(said) ?? []
      if (address !== undefined) resolve(address)
    })
    child.once("close", () => reject(new Error(`Chromium has ended: ${said}`)))
  })

const launch = async (directory: string): Promise<Running> => {
  const child = spawn(executable!, [...flags, `--user-data-dir=${directory}`, "about:blank"], {
    stdio: ["ignore", "ignore", "pipe"],
    detached: true
  })
  const callOff = afterwards(`kill -KILL -$1; sleep 0.2; rm -rf "$2"`, String(child.pid), directory)
  const closed = once(child, "close")
  const browser: Browser = await chromium.connectOverCDP(await addressOf(child))
  const kill = async (): Promise<void> => {
    callOff()
    if (child.exitCode === null && child.signalCode === null) process.kill(-child.pid!, "SIGKILL")
    await closed
    await browser.close().catch(() => {})
  }
  return { context: browser.contexts()[0]!, kill }
}

/** A browser on a profile. */
export const running = (directory: string) =>
  Effect.acquireRelease(Effect.promise(() => launch(directory)), ({ kill }) => Effect.promise(kill))
