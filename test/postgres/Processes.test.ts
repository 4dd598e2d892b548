import { afterAll, assert, describe, it } from "@effect/vitest"
import { Context, Effect, Stream } from "effect"
import { join } from "node:path"
import { Log, Update } from "tidemark"
import * as Prng from "../../src/testing/Prng.ts"
import * as Child from "../utils/Child.ts"
import * as Store from "../utils/Store.ts"
import { server } from "./Server.ts"
import { open } from "./Stores.ts"

const postgres = await server()
afterAll(() => postgres?.remove())

const script = join(import.meta.dirname, "Child.ts")
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

describe.skipIf(postgres === undefined)("processes on one store in Postgres", () => {
  it.live(
    "a writer that was stopped anywhere while a standby took over is fenced when it goes on, each time",
    () =>
      Effect.gen(function*() {
        const random = Prng.make(5)
        const url = postgres!.newStore()
        const child = yield* Child.start(script, "writer", url)
        const log = Context.get(yield* open(url), Log.Log)
        for (let round = 0; round < 25; round++) {
          yield* child.tell("run")
          const [, epoch] = (yield* child.next).split(" ").map(Number)
          yield* Effect.sleep(`${random.int(20)} millis`)
          yield* child.kill("SIGSTOP")
          const standby = yield* log.acquire
          assert.strictEqual(standby.epoch, epoch! + 1)
          const { upper } = standby.bounds
          yield* standby.append(upper, [bytes("standby")])
          yield* child.kill("SIGCONT")
          const [tag, delivered] = (yield* child.next).split(" ")
          assert.strictEqual(tag, "Fenced")
          yield* standby.append(upper + 1, [bytes("standby")])
          // All that was acknowledged to it came before the standby.
          assert.isAtMost(Number(delivered), upper)
          const entries = yield* Stream.runCollect(log.read(upper))
          assert.deepStrictEqual(entries.map((entry) => entry.epoch), [standby.epoch, standby.epoch])
          yield* standby.truncate(upper)
        }
      }),
    60_000
  )

  it.live.each(["SIGKILL", "SIGSTOP"] as const)(
    "a standby takes over from a writer after %s, and nothing is lost",
    (signal) =>
      Effect.gen(function*() {
        const url = postgres!.newStore()
        const delivered: Array<string> = []
        /** Reads what it says until it says that. The orders that it names are those that were acknowledged to it. */
        const until = (child: Child.Child, last: RegExp) =>
          Effect.repeat(
            Effect.tap(child.next, (line) => Effect.sync(() => void (/ \d+$/.test(line) && delivered.push(line)))),
            { until: (line) => last.test(line) }
          )
        const standby = join(import.meta.dirname, "Standby.ts")
        const first = yield* Child.start(standby, "first", url)
        yield* until(first, /^first 5$/)
        const second = yield* Child.start(standby, "second", url)
        yield* until(first, /^first 30$/)
        yield* first.kill(signal)
        yield* until(second, /^second 10$/)
        if (signal === "SIGSTOP") {
          yield* first.kill("SIGCONT")
          yield* until(first, /^first is fenced$/)
        }
        yield* until(second, /^second 15$/)
        yield* second.kill("SIGKILL")
        const { reader } = yield* (yield* Store.follower(yield* open(url))).load("orders", Store.text)
        const found = new Set((yield* Store.contents(reader)).map(([key]) => key))
        assert.deepStrictEqual(delivered.filter((order) => !found.has(order)), [])
        assert.isAtLeast(delivered.length, 45)
      }),
    60_000
  )

  it.live("a follower sees every write in order", () =>
    Effect.gen(function*() {
      const url = postgres!.newStore()
      const { writer } = yield* (yield* Store.client(yield* open(url))).createOrLoad("rows", Store.text)
      const total = 500
      const child = yield* Child.start(script, "follower", url, String(total))
      assert.strictEqual(yield* child.next, "ready")
      const keys = Array.from({ length: total }, (_, i) => `key ${i}`)
      yield* Effect.forkScoped(
        Effect.forEach(keys, (key) => writer.append([Update.insert(key, "", 0)]), { discard: true })
      )
      for (const key of keys) assert.strictEqual(yield* child.next, key)
    }))
})
