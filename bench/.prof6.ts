import { Effect } from "effect"
import { Codec, Update } from "tidemark"
import * as Checksum from "../src/batch/Checksum.ts"
import * as Columns from "../src/batch/Columns.ts"
import * as Consolidate from "../src/batch/Consolidate.ts"
import { MergeJob } from "../src/batch/MergeJob.ts"
import * as Sort from "../src/batch/Sort.ts"
import * as Rows from "../src/client/Rows.ts"
const keyOf = (i: number): string => `key-${String(i).padStart(12, "0")}`
const valueOf = (i: number): string => `${String(i * 2654435761 % 4294967296).padStart(12, "0")}`.repeat(7)
const N = 300_000
const cols = Effect.runSync(
  Rows.encode(
    { key: Codec.string, value: Codec.string },
    Array.from({ length: N }, (_, i) => Update.insert(keyOf((i * 7919) % 100000), valueOf(i), i))
  )
)
const time = (name: string, f: () => unknown) => {
  const t = performance.now()
  f()
  console.log(name.padEnd(20), ((performance.now() - t) * 1e6 / N).toFixed(0), "ns/row")
}
for (let r = 0; r < 4; r++) {
  time("copy", () => Columns.copy([cols, Columns.empty]))
  time("order", () => Sort.order(cols))
  time("consolidate", () => Consolidate.consolidate(cols, { since: 0 }))
  time("checksum", () => Checksum.of(cols))
  const parts: Array<Uint8Array> = []
  time("job", () => {
    const j = new MergeJob({
      inputs: [{ lower: 0, upper: Infinity }],
      description: { lower: 0, upper: Infinity, since: 0 },
      partBytes: 16 << 20
    })
    for (;;) {
      const s = j.step()
      if (s._tag === "Done") break
      if (s._tag === "Need") j.feed(0, { _tag: "Rows", columns: Columns.copy([cols]) })
      else parts.push(s.bytes)
    }
  })
  console.log(parts.map((p) => p.length))
}
