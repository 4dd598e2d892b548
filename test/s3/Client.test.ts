import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Schedule, Stream } from "effect"
import { type PersistClient, Update } from "tidemark"
import * as Prng from "../../src/testing/Prng.ts"
import * as Store from "../utils/Store.ts"
import { open, options } from "./Buckets.ts"
import { stores } from "./Endpoints.ts"
import * as Proxy from "./Proxy.ts"

const faults: ReadonlyArray<Proxy.Fault> = [
  "lost",
  "applied",
  "applied500",
  "cut",
  409,
  500,
  503,
  Effect.sleep("2 millis")
]

/** Everything that can happen to a store happens soon, and maintenance goes on all the time. */
const busy: PersistClient.Options = { ...Store.tiny, maintenance: Schedule.spaced("10 millis"), retry: undefined }

for (const { endpoint, name } of stores) {
  describe(`a client on a bucket, ${name}`, () => {
    it.live.each([1, 2])(
      "keeps what it acknowledged, once, through faults and restarts: seed %i",
      (seed) =>
        Effect.gen(function*() {
          const random = Prng.make(seed)
          const direct = options(yield* endpoint, { partBytes: 600 })
          const proxy = yield* Proxy.make(direct.endpoint!)
          const troubled = { ...direct, endpoint: proxy.endpoint }
          const acknowledged = new Set<string>()
          const refused = new Set<string>()
          let counter = 0
          let sealed = 0
          for (let round = 0; round < 4; round++) {
            proxy.choose = () => random.chance(0.15) ? random.pick(faults) : "pass"
            yield* Store.inScope(Effect.gen(function*() {
              const opened = yield* Effect.exit(
                Effect.flatMap(open(troubled), (storage) => Store.client(storage, busy))
              )
              if (Exit.isFailure(opened)) return
              const created = yield* Effect.exit(opened.value.createOrLoad("rows", Store.text))
              if (Exit.isFailure(created)) return
              const { writer } = created.value
              for (let step = 0; step < 15; step++) {
                const keys = Array.from({ length: 1 + random.int(8) }, () => `key ${counter++}`)
                const exit = yield* Effect.exit(writer.append(keys.map((key) => Update.insert(key, "value", sealed))))
                if (Exit.isSuccess(exit)) { for (const key of keys) acknowledged.add(key) }
                const failure = Exit.findErrorOption(exit)
                if (failure._tag === "Some" && failure.value._tag === "Unavailable") {
                  for (const key of keys) refused.add(key)
                }
                if (step % 5 === 4) {
                  const seal = yield* Effect.exit(writer.seal(sealed + 1))
                  if (Exit.isSuccess(seal)) sealed++
                  else break
                  yield* Effect.ignore(writer.allowCompaction(sealed - 1))
                }
              }
            }))
          }
          proxy.choose = () => "pass"
          const storage = yield* open(direct)
          const followingClient = yield* Store.follower(storage)
          const { reader } = yield* followingClient.load("rows", Store.text)
          const rows = yield* Store.contents(reader)
          const found = new Map(rows.map(([key, , multiplicity]) => [key, multiplicity]))
          for (const key of acknowledged) assert.strictEqual(found.get(key), 1, `acknowledged ${key}`)
          for (const key of refused) assert.isFalse(found.has(key), `refused ${key}`)
          assert.strictEqual(found.size, rows.length)
          assert.deepStrictEqual([...found.values()].filter((multiplicity) => multiplicity !== 1), [])
          assert.isAbove(acknowledged.size, 50)
        }),
      120_000
    )

    it.live("is followed from another process while it writes", () =>
      Effect.gen(function*() {
        const made = options(yield* endpoint)
        const { writer } = yield* (yield* Store.client(yield* open(made))).createOrLoad("rows", Store.text)
        const { reader } = yield* (yield* Store.follower(yield* open(made))).load("rows", Store.text)
        const { events } = yield* reader.listen()
        const following = yield* Effect.forkChild(
          Stream.runCollect(Stream.takeUntil(events, (event) => event._tag === "Progress" && event.frontier === 10))
        )
        for (let time = 0; time < 10; time++) {
          yield* writer.append([Update.insert(`key ${time}`, "value", time)])
          yield* writer.seal(time + 1)
        }
        const records = (yield* Fiber.join(following)).flatMap((event) =>
          event._tag === "Updates" ? [...event.updates] : []
        )
        assert.deepStrictEqual(records.map(({ key }) => key), Array.from({ length: 10 }, (_, time) => `key ${time}`))
      }))
  })
}
