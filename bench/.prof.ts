import { Effect, Layer } from "effect"
import * as fs from "node:fs"
import { Codec, MemoryStorage, PersistClient, Update } from "tidemark"
import { FileStorage } from "tidemark/node"
const mode = process.argv[2]
fs.rmSync("/tmp/s/p", { recursive: true, force: true })
const storage = mode === "mem" ? MemoryStorage.layer : FileStorage.layer({ directory: "/tmp/s/p" })
const keyOf = (i: number): string => `key-${String(i).padStart(12, "0")}`
const valueOf = (i: number): string => `${String(i * 2654435761 % 4294967296).padStart(12, "0")}`.repeat(7)
await Effect.runPromise(
  Effect.gen(function*() {
    const persist = yield* PersistClient.PersistClient
    const { write } = yield* persist.createOrLoad("f", { key: Codec.string, value: Codec.string })
    const inputs = Array.from(
      { length: 400 },
      (_, b) =>
        Array.from({ length: 1000 }, (_, i) => Update.insert(keyOf((b * 1000 + i) % 100000), valueOf(b * 1000 + i), b))
    )
    for (let r = 0; r < 5; r++) {
      const t = performance.now()
      for (const u of inputs) {
        yield* write.write(u)
      }
      console.log(((performance.now() - t) / 400).toFixed(3), "ms a batch")
    }
  }).pipe(Effect.provide(PersistClient.layer().pipe(Layer.provide(storage))))
)
