import { Effect, Layer } from "effect"
import * as fs from "node:fs"
import { Codec, PersistClient, Update } from "tidemark"
import * as T from "tidemark"
import { FileStorage } from "tidemark/node"
fs.rmSync("/tmp/s/d", { recursive: true, force: true })
const keyOf = (i: number): string => `key-${String(i).padStart(12, "0")}`
const valueOf = (i: number): string => `${String(i * 2654435761 % 4294967296).padStart(12, "0")}`.repeat(7)
const ls = (m: string) => {
  console.log(m)
  for (const e of fs.readdirSync("/tmp/s/d", { recursive: true, withFileTypes: true })) {
    if (e.isFile()) console.log("  ", e.parentPath.slice(8), e.name, fs.statSync(e.parentPath + "/" + e.name).size)
  }
}
const layer = PersistClient.layer().pipe(Layer.provideMerge(FileStorage.layer({ directory: "/tmp/s/d" })))
await Effect.runPromise(
  Effect.gen(function*() {
    const persist = yield* PersistClient.PersistClient
    const { write } = yield* persist.createOrLoad("f", { key: Codec.string, value: Codec.string })
    for (let t = 0; t < 100; t++) {
      yield* write.write(
        Array.from(
          { length: 10000 },
          (_, i) =>
            Update.insert(keyOf((t * 5000 + (i >> 1)) % 10000), valueOf(t * 5000 + (i >> 1) - (i % 2 ? 10000 : 0)), t)
        ).map((u, i) => i % 2 ? { ...u, diff: -1 } : u)
      )
      yield* write.seal(t + 1)
    }
    console.log(yield* (yield* T.Log.Log).bounds)
  }).pipe(Effect.provide(layer))
)
ls("after ingest")
const t0 = performance.now()
await Effect.runPromise(
  Effect.gen(function*() {
    const persist = yield* PersistClient.PersistClient
    console.log("open", performance.now() - t0)
    const { write } = yield* persist.createOrLoad("f", { key: Codec.string, value: Codec.string })
    console.log(yield* (yield* T.Log.Log).bounds)
    yield* write.allowCompaction(99)
    yield* persist.compact("f")
    console.log(yield* (yield* T.Log.Log).bounds)
    ls("compacted")
  }).pipe(Effect.provide(layer))
)
ls("closed")
