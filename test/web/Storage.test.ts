// The storages of a browser, in a real one.
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect, Exit, Scope } from "effect"
import type { Page } from "playwright-core"
import * as BlobContract from "../../src/testing/storage/BlobContract.ts"
import * as LogContract from "../../src/testing/storage/LogContract.ts"
import * as Browser from "./Browser.ts"
import * as Calls from "./Calls.ts"
import type { Kind, Where } from "./Program.ts"

const places: ReadonlyArray<readonly [Kind, Where]> = [
  ["indexeddb", "page"],
  ["opfs", "page"],
  ["opfs", "worker"]
]

/** The browser makes the stores: only the names are wanted here. */
const namesOf = (contract: "log" | "blob"): ReadonlyArray<string> =>
  (contract === "log" ? LogContract.tests(Effect.never) : BlobContract.tests(Effect.never)).map(({ name }) => name)

const until = async (holds: () => boolean): Promise<void> => {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 10))
}

describe.skipIf(Browser.executable === undefined)("in a browser", () => {
  const scope = Effect.runSync(Scope.make())
  const made = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>) => Effect.runPromise(Scope.provide(effect, scope))
  let url: string
  let running: Browser.Running
  let page: Page

  beforeAll(async () => {
    url = await made(Calls.server)
    running = await made(Effect.flatMap(Browser.profile, Browser.running))
    page = await Calls.tab(running, url)
  })
  afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))

  const inTab = async <A>(use: (page: Page) => Promise<A>): Promise<A> => {
    const opened = await Calls.tab(running, url)
    try {
      return await use(opened)
    } finally {
      await opened.close()
    }
  }

  for (const [kind, where] of places) {
    for (const contract of ["log", "blob"] as const) {
      describe(`${contract}_impl_test: ${kind}, in a ${where}`, () => {
        namesOf(contract).forEach((name, index) =>
          it(name, async () => {
            await Calls.call(page, where, "rule", kind, contract, index)
          })
        )
      })
    }
  }

  describe.each(places)("%s, in a %s", (kind, where) => {
    const named = (name: string) => `${name} ${kind} ${where}`

    it("a store is compacted", async () => {
      const { after, before, rows } = await Calls.call(page, where, "compact", kind, named("compacted"))
      assert.strictEqual(rows, 1)
      assert.isBelow(after, before / 5)
    })

    it("a second tab is locked out, until the first one is closed", async () => {
      const name = named("locked")
      await inTab(async (first) => {
        assert.strictEqual(await Calls.call(first, where, "hold", kind, name, 0), "open")
        const refused = await inTab((second) => Calls.call(second, where, "hold", kind, name, 0))
        assert.match(refused, /^Locked: the store .* is open for writing in another tab or worker/)
      })
      assert.strictEqual(await inTab((third) => Calls.call(third, where, "hold", kind, name, 10_000)), "open")
    })

    it("what was acknowledged is there after its tab was closed in the midst of writing", async () => {
      const name = named("closed")
      const writing = await Calls.tab(running, url)
      const acknowledged = Calls.printed(writing, "acknowledged")
      const appending = Calls.call(writing, where, "append", kind, name, 500).catch(() => {})
      await until(() => acknowledged.length >= 25)
      await writing.close()
      await appending
      const found = await inTab((reading) => Calls.call(reading, where, "count", kind, name))
      assert.isAtLeast(Number(found), acknowledged.at(-1)! + 1, String(found))
    })

    it("a client that only reads follows in another tab", async () => {
      const name = named("followed")
      const writing = await Calls.tab(running, url)
      const acknowledged = Calls.printed(writing, "acknowledged")
      const appending = Calls.call(writing, where, "append", kind, name, 10).catch(() => {})
      await until(() => acknowledged.length >= 5)
      const reading = await Calls.tab(running, url)
      const followed = Calls.printed(reading, "followed")
      const following = Calls.call(reading, where, "follow", kind, name).catch(() => {})
      // Within a part of a subscription the rows are sorted by key.
      const first = Array.from({ length: 30 }, (_, i) => i)
      await until(() => first.every((number) => followed.includes(number)))
      assert.strictEqual(new Set(followed).size, followed.length, "nothing twice")
      await Promise.all([writing.close(), reading.close(), appending, following])
    })
  })

  describe.each(places)("%s, in a %s, in a browser of its own", (kind, where) => {
    it.live("what was acknowledged is there after the browser was killed in the midst of writing", () =>
      Effect.scoped(Effect.gen(function*() {
        const profile = yield* Browser.profile
        const killed = yield* Browser.running(profile)
        const acknowledged = yield* Effect.promise(async () => {
          const writing = await Calls.tab(killed, url)
          const numbers = Calls.printed(writing, "acknowledged")
          const appending = Calls.call(writing, where, "append", kind, "killed", 500).catch(() => {})
          await until(() => numbers.length >= 25)
          await killed.kill()
          await appending
          return numbers.at(-1)! + 1
        })
        const again = yield* Browser.running(profile)
        const reading = yield* Effect.promise(() => Calls.tab(again, url))
        const found = yield* Effect.promise(() => Calls.call(reading, where, "count", kind, "killed"))
        assert.isAtLeast(Number(found), acknowledged, String(found))
      })))

    it.live("a full quota is OutOfSpace, and what was acknowledged can be read", () =>
      Effect.scoped(Effect.gen(function*() {
        const limited = yield* Effect.flatMap(Browser.profile, Browser.running)
        yield* Effect.promise(async () => {
          const filling = await Calls.tab(limited, url)
          const session = await limited.context.newCDPSession(filling)
          const origin = new URL(url).origin
          await session.send("Storage.overrideQuotaForOrigin", { origin, quotaSize: 6_000_000 })
          const { count, found, tag } = await Calls.call(filling, where, "fill", kind, "filled")
          assert.strictEqual(tag, "OutOfSpace")
          assert.isAbove(count, 0)
          assert.strictEqual(found, count)
        })
      })))
  })
})
