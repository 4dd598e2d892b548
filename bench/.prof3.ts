import { Effect, Layer, Metric } from "effect"
import * as fs from "node:fs"
import { Codec, Log, Metrics, PersistClient, Update } from "tidemark"
import { FileStorage } from "tidemark/node"
const q = (a: number[], p: number) => a.toSorted((x, y) => x - y)[Math.floor(a.length * p)]!
const C = fs.constants
const f = "/tmp/s/pre"
{
  const fd = fs.openSync(f, "w")
  for (let i = 0; i < 16; i++) fs.writeSync(fd, Buffer.alloc(1 << 20))
  fs.fsyncSync(fd)
  fs.closeSync(fd)
}
const N = 600
const rawSync = () => {
  const fd = fs.openSync("/tmp/s/g", "w")
  const t: number[] = []
  const b = Buffer.alloc(256, 1)
  for (let i = 0; i < N; i++) {
    const s = performance.now()
    fs.writeSync(fd, b)
    fs.fdatasyncSync(fd)
    t.push(performance.now() - s)
  }
  fs.closeSync(fd)
  console.log("raw growing fdatasync", q(t, .5).toFixed(3))
}
const rawD = () => {
  const fd = fs.openSync(f, C.O_RDWR | C.O_DSYNC)
  const t: number[] = []
  const b = Buffer.alloc(256, 1)
  for (let i = 0; i < N; i++) {
    const s = performance.now()
    fs.writeSync(fd, b, 0, 256, i * 256)
    t.push(performance.now() - s)
  }
  fs.closeSync(fd)
  console.log("raw prealloc dsync sync", q(t, .5).toFixed(3))
}
const rawA = async () => {
  const fd = fs.openSync(f, C.O_RDWR | C.O_DSYNC)
  const t: number[] = []
  const b = Buffer.alloc(256, 1)
  for (let i = 0; i < N; i++) {
    const s = performance.now()
    await new Promise<void>((r) => fs.write(fd, b, 0, 256, i * 256, () => r()))
    t.push(performance.now() - s)
  }
  fs.closeSync(fd)
  console.log("raw prealloc dsync async", q(t, .5).toFixed(3))
}
fs.rmSync("/tmp/s/p", { recursive: true, force: true })
for (let r = 0; r < 3; r++) {
  rawSync()
  rawD()
  await rawA()
  await Effect.runPromise(
    Effect.scoped(Effect.gen(function*() {
      const log = yield* Log.Log
      const w = yield* log.acquire
      let at = w.bounds.upper
      const t: number[] = []
      for (let i = 0; i < N; i++) {
        const s = performance.now()
        at = yield* w.append(at, [new Uint8Array(200)])
        t.push(performance.now() - s)
      }
      console.log("FileLog.append", q(t, .5).toFixed(3))
    })).pipe(Effect.provide(FileStorage.layer({ directory: "/tmp/s/p3" })))
  )
  await Effect.runPromise(
    Effect.gen(function*() {
      const persist = yield* PersistClient.PersistClient
      const { write } = yield* persist.createOrLoad("f", { key: Codec.string, value: Codec.string })
      const t: number[] = []
      const a = yield* Metric.value(Metrics.flushTime)
      for (let i = 0; i < N; i++) {
        const s = performance.now()
        yield* write.write([Update.insert("k" + i, "v".repeat(84), 1)])
        t.push(performance.now() - s)
      }
      const b = yield* Metric.value(Metrics.flushTime)
      console.log("write", q(t, .5).toFixed(3), "flush mean", ((b.sum - a.sum) * 1000 / (b.count - a.count)).toFixed(3))
    }).pipe(Effect.provide(PersistClient.layer().pipe(Layer.provide(FileStorage.layer({ directory: "/tmp/s/p" })))))
  )
}
