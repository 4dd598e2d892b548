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
          const [tag, told] = (yield* child.next).split(" ")
          assert.strictEqual(tag, "Fenced")
          yield* standby.append(upper + 1, [bytes("standby")])
          // All that it was told of came before the standby.
          assert.isAtMost(Number(told), upper)
          const entries = yield* Stream.runCollect(log.read(upper))
          assert.deepStrictEqual(entries.map((entry) => entry.epoch), [standby.epoch, standby.epoch])
          yield* standby.truncate(upper)
        }
      }),
    60_000
  )

  it.live("a follower sees every write in order", () =>
    Effect.gen(function*() {
      const url = postgres!.newStore()
      const { write } = yield* (yield* Store.client(yield* open(url))).createOrLoad("rows", Store.text)
      const total = 500
      const child = yield* Child.start(script, "follower", url, String(total))
      assert.strictEqual(yield* child.next, "ready")
      const keys = Array.from({ length: total }, (_, i) => `key ${i}`)
      yield* Effect.forkScoped(
        Effect.forEach(keys, (key) => write.write([Update.insert(key, "", 0)]), { discard: true })
      )
      for (const key of keys) assert.strictEqual(yield* child.next, key)
    }))
})
