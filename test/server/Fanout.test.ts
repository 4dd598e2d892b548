import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import * as Codec from "../../src/Codec.ts"
import * as Fanout from "../../src/server/Fanout.ts"
import * as Update from "../../src/Update.ts"
import * as Store from "../utils/Store.ts"

/** A collection, and a shared read of it that has followed it so far, seal by seal. */
const followed = Effect.fnUntraced(function*(values: ReadonlyArray<string>, options: Partial<Fanout.Options> = {}) {
  const persist = yield* Effect.flatMap(Store.memory, (storage) => Store.client(storage, Store.quiet))
  const { reader, writer } = yield* persist.createOrLoad("orders", { key: Codec.json, value: Codec.json })
  const fanout = yield* Fanout.make(reader, 0, 0, { heartbeat: 60_000, maxBytes: 1 << 20, ...options })
  const extend = Effect.fnUntraced(function*(value: string, time: number) {
    yield* writer.append([Update.insert("k", value, time)])
    yield* writer.seal(time + 1)
    yield* fanout.next(time)
  })
  yield* Effect.forEach(values, extend, { discard: true })
  return { fanout, extend }
})

const shared = (step: Fanout.Step) => {
  if (step._tag !== "Shared") throw new Error(`it is ${step._tag}`)
  return { to: step.to, bytes: step.bytes, text: new TextDecoder().decode(step.bytes) }
}

const valuesOf = (text: string) => [...text.matchAll(/"value":"(\w)/g)].map(([, value]) => value)

describe("the shared read of a collection", () => {
  it.live("gives a subscriber that is behind all that is cached in one step", () =>
    Effect.gen(function*() {
      const { fanout } = yield* followed(["a", "b", "c"])
      const all = shared(yield* fanout.next(0))
      assert.strictEqual(all.to, 3)
      assert.deepStrictEqual(valuesOf(all.text), ["a", "b", "c"])
      assert.strictEqual(all.text.match(/^id: /gm)?.length, 3, "each time can be resumed from")
      const rest = shared(yield* fanout.next(1))
      assert.strictEqual(rest.to, 3)
      assert.deepStrictEqual(valuesOf(rest.text), ["b", "c"])
    }))

  it.live("gives the very same bytes to all that stand at the same frontier", () =>
    Effect.gen(function*() {
      const { extend, fanout } = yield* followed(["a", "b"])
      const { bytes } = shared(yield* fanout.next(0))
      assert.strictEqual(shared(yield* fanout.next(0)).bytes, bytes)
      assert.strictEqual(shared(yield* fanout.next(1)).bytes, shared(yield* fanout.next(1)).bytes)
      yield* extend("c", 2)
      assert.deepStrictEqual(valuesOf(shared(yield* fanout.next(0)).text), ["a", "b", "c"])
    }))

  it.live("lets other requests have their turns while it wakes many subscribers", () =>
    Effect.gen(function*() {
      const { extend, fanout } = yield* followed([])
      let turns = 0
      yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.yieldNow, Effect.sync(() => turns++))))
      const woken: Array<number> = []
      const waiting = yield* Effect.forEach(
        Array.from({ length: 200 }),
        () => Effect.forkScoped(Effect.tap(fanout.next(0), () => Effect.sync(() => woken.push(turns)))),
        { concurrency: 1 }
      )
      yield* Effect.yieldNow
      yield* extend("a", 0)
      const steps = yield* Effect.forEach(waiting, (each) => Fiber.join(each))
      assert.isTrue(steps.every((step) => step._tag === "Shared" && step.to === 1))
      assert.isAbove(new Set(woken).size, 1)
    }))

  it.live("gives no more at a time than a client that stops reading may keep", () =>
    Effect.gen(function*() {
      const value = (letter: string) => letter.repeat(Fanout.mostTogether / 2)
      const { fanout } = yield* followed(["a", "b", "c"].map(value))
      const first = shared(yield* fanout.next(0))
      assert.strictEqual(first.to, 1)
      assert.deepStrictEqual(valuesOf(first.text), ["a"])
      // A stretch that is larger by itself is given whole.
      const large = yield* followed(["a".repeat(Fanout.mostTogether * 2)])
      assert.strictEqual(shared(yield* large.fanout.next(0)).to, 1)
    }))
})
