import { Effect, Layer } from "effect"
import { Codec, MemoryStorage, PersistClient, Update } from "tidemark"
import { FileStorage } from "tidemark/node"
const q = (a: number[], p: number) => a.toSorted((x, y) => x - y)[Math.floor(a.length * p)]!
const st = process.argv[2] === "mem" ? MemoryStorage.layer : FileStorage.layer({ directory: "/tmp/s/p5" })
await Effect.runPromise(
  Effect.gen(function*() {
    const persist = yield* PersistClient.PersistClient
    const { write } = yield* persist.createOrLoad("f", { key: Codec.string, value: Codec.string })
    for (let r = 0; r < 8; r++) {
      const t: number[] = []
      for (let i = 0; i < 3000; i++) {
        const s = performance.now()
        yield* write.write([Update.insert("k" + i, "v".repeat(84), 1)])
        t.push(performance.now() - s)
      }
      console.log("write", q(t, .5).toFixed(4), q(t, .9).toFixed(4))
    }
  }).pipe(Effect.provide(PersistClient.layer().pipe(Layer.provide(st))))
)
