import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger } from "effect"
import * as MergeWorkers from "../../src/node/MergeWorkers.ts"
import * as Update from "../../src/Update.ts"
import * as Store from "../utils/Store.ts"

/** Two stores in memory with one layer, both of which are merged. What they warn of, and how many workers were started. */
const twoStores = Effect.fnUntraced(function*(options: MergeWorkers.Options) {
  const warnings: Array<string> = []
  let started = 0
  const count = () => void started++
  process.on("worker", count)
  const logger = Logger.make(({ message }) => void warnings.push(String(message)))
  yield* Store.inScope(Effect.gen(function*() {
    const workers = yield* Layer.build(MergeWorkers.layer(options))
    for (const name of ["first", "second"]) {
      const client = yield* Effect.provide(Store.client(yield* Store.memory, Store.tiny), workers)
      const { reader, writer } = yield* client.createOrLoad(name, Store.text)
      for (let time = 0; time < 60; time++) {
        yield* writer.append([Update.insert(`k${time}`, "v".repeat(60), time)])
        yield* writer.seal(time + 1)
        if (time % 20 === 19) yield* client.maintain
      }
      yield* client.compact(name)
      assert.lengthOf(yield* Store.contents(reader, 59), 60)
    }
  })).pipe(
    Effect.provide(Logger.layer([logger])),
    Effect.ensuring(Effect.sync(() => process.off("worker", count)))
  )
  return { warnings, started }
})

describe("stores that are built with one layer of merge workers", () => {
  it.live("share one worker thread", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* twoStores({}), { warnings: [], started: 1 })
    }))

  it.live("share the warning that it does not run, and merge all the same", () =>
    Effect.gen(function*() {
      const { warnings } = yield* twoStores({ file: new URL("./Missing.ts", import.meta.url) })
      assert.lengthOf(warnings, 1)
      assert.match(warnings[0]!, /^merging goes on in the thread of the process/)
    }))
})
