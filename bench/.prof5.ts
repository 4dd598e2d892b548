import { Effect, Layer } from "effect"
import * as fs from "node:fs"
import { Codec, Log, Update } from "tidemark"
import { FileStorage } from "tidemark/node"
import { ByteWriter } from "../src/ByteWriter.ts"
import * as Rows from "../src/client/Rows.ts"
import * as Commit from "../src/engine/Commit.ts"
const keyOf = (i: number): string => `key-${String(i).padStart(12, "0")}`
const valueOf = (i: number): string => `${String(i * 2654435761 % 4294967296).padStart(12, "0")}`.repeat(7)
const inputs = Array.from(
  { length: 400 },
  (_, b) =>
    Array.from({ length: 1000 }, (_, i) => Update.insert(keyOf((b * 1000 + i) % 100000), valueOf(b * 1000 + i), b))
)
const cols = inputs.map((u) => Effect.runSync(Rows.encode({ key: Codec.string, value: Codec.string }, u)))
const w = new ByteWriter(65536)
for (let r = 0; r < 5; r++) {
  const t = performance.now()
  for (const c of cols) {
    w.clear()
    Commit.encode({ writer: 1, attempt: 1, seqNo: 1, changes: [{ _tag: "Write", collection: 0, columns: c }] }, w)
  }
  console.log("commit encode", ((performance.now() - t) / 400).toFixed(3), w.length)
}
fs.rmSync("/tmp/s/p6", { recursive: true, force: true })
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
const bytes = w.finish()
await Effect.runPromise(
  Effect.scoped(Effect.gen(function*() {
    const log = yield* Log.Log
    const wr = yield* log.acquire
    let at = wr.bounds.upper
    for (let r = 0; r < 6; r++) {
      raw()
      const t = performance.now()
      for (let i = 0; i < 400; i++) at = yield* wr.append(at, [bytes])
      console.log("log append", ((performance.now() - t) / 400).toFixed(3))
    }
  })).pipe(Effect.provide(FileStorage.layer({ directory: "/tmp/s/p6" })))
)
