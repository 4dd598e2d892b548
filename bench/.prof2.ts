import { Effect, Layer, Metric } from "effect"
import * as fs from "node:fs"
import { Codec, Metrics, PersistClient, Update } from "tidemark"
import { FileStorage } from "tidemark/node"
import * as Rows from "../src/client/Rows.ts"
fs.rmSync("/tmp/s/p", { recursive: true, force: true })
const keyOf = (i: number): string => `key-${String(i).padStart(12, "0")}`
const valueOf = (i: number): string => `${String(i * 2654435761 % 4294967296).padStart(12, "0")}`.repeat(7)
const inputs = Array.from(
  { length: 400 },
  (_, b) =>
    Array.from({ length: 1000 }, (_, i) => Update.insert(keyOf((b * 1000 + i) % 100000), valueOf(b * 1000 + i), b))
)
for (let r = 0; r < 5; r++) {
  const t = performance.now()
  for (const u of inputs) Effect.runSync(Rows.encode({ key: Codec.string, value: Codec.string }, u))
  console.log("encode", ((performance.now() - t) / 400).toFixed(3))
}
const raw = () => {
  const fd = fs.openSync("/tmp/s/raw", "w")
  const b = Buffer.alloc(116000, 3)
  const t = performance.now()
  for (let i = 0; i < 400; i++) {
    fs.writeSync(fd, b)
    fs.fdatasyncSync(fd)
  }
  console.log("raw", ((performance.now() - t) / 400).toFixed(3))
  fs.closeSync(fd)
}
const h = Effect.map(Metric.value(Metrics.flushTime), (s) => ({ n: s.count, sum: s.sum }))
await Effect.runPromise(
  Effect.gen(function*() {
    const persist = yield* PersistClient.PersistClient
    const { write } = yield* persist.createOrLoad("f", { key: Codec.string, value: Codec.string })
    for (let r = 0; r < 6; r++) {
      raw()
      const a = yield* h
      const t = performance.now()
      for (const u of inputs) yield* write.write(u)
      const b = yield* h
      console.log(
        "batch",
        ((performance.now() - t) / 400).toFixed(3),
        "flush",
        ((b.sum - a.sum) * 1000 / (b.n - a.n)).toFixed(3)
      )
    }
  }).pipe(
    Effect.provide(
      PersistClient.layer(process.argv[2] ? { memoryBytes: 4e9, logBytes: 4e9 } : {}).pipe(
        Layer.provide(FileStorage.layer({ directory: "/tmp/s/p" }))
      )
    )
  )
)
