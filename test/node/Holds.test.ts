import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { join } from "node:path"
import * as Update from "../../src/Update.ts"
import * as Child from "../utils/Child.ts"
import * as Store from "../utils/Store.ts"
import { directory, layerOf } from "./Temporary.ts"

const script = join(import.meta.dirname, "../utils/Holder.ts")

/** A writer here, and holders in processes of their own. */
const store = Effect.gen(function*() {
  const path = join(yield* directory, "store")
  const storage = yield* Layer.build(layerOf(path))
  const writingClient = yield* Store.client(storage, Store.tiny)
  const { writer } = yield* writingClient.createOrLoad("s", Store.text)
  const row = (time: number) => Update.insert(`k${String(time).padStart(6, "0")}`, "v".repeat(40), time)
  for (let time = 0; time < 40; time++) yield* writer.append([row(time)])
  yield* writingClient.compact("s")
  let time = 40
  /** Replaces every batch, and deletes what was replaced and no hold protects. */
  const churn = Effect.gen(function*() {
    yield* writer.append([row(time)])
    yield* writer.seal(++time)
    yield* writingClient.compact("s")
    yield* writingClient.maintain
  })
  const hold = (name: string, leaseMillis: number) => Child.start(script, path, name, String(leaseMillis))
  const files = Effect.map(Store.storedKeys(storage), (keys) => keys.filter((key) => key.startsWith("hold/")))
  return { storage, churn, hold, files }
})

const all = "40 k000000 k000039"

const ask = (child: Child.Child) => Effect.andThen(child.tell("read"), child.next)

describe("a hold of another process", () => {
  it.live("outlives compactions, and the process", () =>
    Effect.gen(function*() {
      const { churn, hold } = yield* store
      const first = yield* hold("report", 3_600_000)
      const [kind, seqNo] = (yield* first.next).split(" ")
      assert.strictEqual(kind, "new")
      for (let round = 0; round < 5; round++) {
        yield* churn
        assert.strictEqual(yield* ask(first), all)
      }
      yield* first.kill("SIGKILL")
      yield* churn
      const second = yield* hold("report", 3_600_000)
      assert.strictEqual(yield* second.next, `resumed ${seqNo}`)
      yield* churn
      assert.strictEqual(yield* ask(second), all)
    }))

  it.live(
    "is lost when the process is stopped for longer than the lease, and it says so",
    () =>
      Effect.gen(function*() {
        const { churn, files, hold, storage } = yield* store
        const child = yield* hold("report", 1_000)
        assert.match(yield* child.next, /^new /)
        yield* churn
        assert.strictEqual(yield* ask(child), all)
        yield* child.kill("SIGSTOP")
        // However long this machine takes: the writer deletes the hold in the end.
        while ((yield* files).length > 0) {
          yield* churn
          yield* Effect.sleep("50 millis")
        }
        yield* churn
        yield* child.kill("SIGCONT")
        assert.strictEqual(yield* ask(child), "HoldExpired")
        assert.isNotEmpty(yield* Store.referencedKeys(storage))
      }),
    120_000
  )
})
