/**
 * What a few key paths cost, in processor time: `node bench/Costs.ts ROOT` prints a JSON object, milliseconds by name,
 * for the sources of the checkout at ROOT. `bench/guard.ts` compares two checkouts by it.
 */
// oxlint-disable typescript/consistent-type-imports -- the modules of another checkout have the types of this one
import { Effect, Layer, Stream } from "effect"
import { join } from "node:path"

const root = process.argv[2] ?? join(import.meta.dirname, "..")
const load = (module: string) => import(join(root, "src", module))

const BatchFile: typeof import("../src/batch/BatchFile.ts") = await load("batch/BatchFile.ts")
const Columns: typeof import("../src/batch/Columns.ts") = await load("batch/Columns.ts")
const Consolidate: typeof import("../src/batch/Consolidate.ts") = await load("batch/Consolidate.ts")
const { Merge }: typeof import("../src/batch/Merge.ts") = await load("batch/Merge.ts")
const { ByteWriter }: typeof import("../src/ByteWriter.ts") = await load("ByteWriter.ts")
const Rows: typeof import("../src/client/Rows.ts") = await load("client/Rows.ts")
const PersistClient: typeof import("../src/client/PersistClient.ts") = await load("client/PersistClient.ts")
const Codec: typeof import("../src/Codec.ts") = await load("Codec.ts")
const Commit: typeof import("../src/engine/Commit.ts") = await load("engine/Commit.ts")
const MemoryStorage: typeof import("../src/storage/MemoryStorage.ts") = await load("storage/MemoryStorage.ts")
const Update: typeof import("../src/Update.ts") = await load("Update.ts")

const codecs = { key: Codec.string, value: Codec.string }
const updates = (count: number, offset = 0) =>
  Array.from({ length: count }, (_, i) => {
    const key = `key-${String((i * 7919 + offset) % 100_003).padStart(12, "0")}`
    return Update.insert(key, `value ${i} `.repeat(8), i % 50)
  })
const encoded = (count: number, offset = 0) => Effect.runSync(Rows.encode(codecs, updates(count, offset)))
const sorted = (count: number, offset = 0) => Consolidate.consolidate(encoded(count, offset), { since: 0 })

const rows = updates(1_000)
const commit = {
  writer: 1,
  attempt: 1,
  seqNo: 1,
  changes: [{ _tag: "Write", collection: 0, columns: encoded(1_000) }]
} as const
const buffer = new ByteWriter()
const unsorted = encoded(10_000)
const inputs = [0, 1, 2, 3].map((i) => sorted(5_000, i))
const whole = sorted(10_000)

const mergeAll = (): number => {
  const merge = new Merge(inputs.map(() => ({ lower: 0, upper: Infinity })), 0)
  const out = new Columns.Builder()
  const isFed = inputs.map(() => false)
  for (;;) {
    const step = merge.run(out, 64 * 1024 * 1024)
    if (step._tag !== "Need") return out.length
    if (isFed[step.input]) merge.end(step.input)
    else merge.push(step.input, inputs[step.input]!)
    isFed[step.input] = true
  }
}

const writeAndRead = (): void => {
  const writer = new BatchFile.Writer({ lower: 0, upper: 100, since: 0 })
  writer.add(whole)
  const { bytes } = writer.finish()
  const trailer = BatchFile.readTrailer(bytes, bytes.length, "costs")
  const end = trailer.footerOffset + trailer.footerLength
  for (const block of BatchFile.readFooter(bytes.subarray(trailer.footerOffset, end), trailer, "costs").blocks) {
    BatchFile.readBlock(block, bytes.subarray(block.offset, block.offset + block.length), "costs")
  }
}

const listening = Effect.gen(function*() {
  const client = yield* PersistClient.PersistClient
  const { reader, writer } = yield* client.createOrLoad("s", codecs)
  for (let i = 0; i < 10; i++) {
    const { events } = yield* reader.listen()
    yield* Effect.forkChild(Stream.runDrain(events))
  }
  for (let i = 0; i < 200; i++) yield* writer.append([Update.insert("a", "", i)])
}).pipe(Effect.scoped, Effect.provide(Layer.provide(PersistClient.layer(), MemoryStorage.layer)))

const costs: Readonly<Record<string, () => unknown>> = {
  "encoding 1,000 rows": () => Effect.runSync(Rows.encode(codecs, rows)),
  "a commit of 1,000 rows, to bytes and back": () => {
    buffer.clear()
    Commit.encode(commit, buffer)
    return Commit.decode(buffer.view8(), "costs")
  },
  "sorting and consolidating 10,000 rows": () => Consolidate.consolidate(unsorted, { since: 0 }),
  "merging four times 5,000 rows": mergeAll,
  "a batch file of 10,000 rows, written and read": writeAndRead,
  "200 writes with ten listeners": () => Effect.runPromise(listening)
}

/** Processor time of this process: what others do on the machine is not in it. */
const used = async (run: () => unknown): Promise<number> => {
  const before = process.cpuUsage()
  await run()
  const { system, user } = process.cpuUsage(before)
  return (system + user) / 1000
}

const least: Record<string, number> = {}
for (const [name, run] of Object.entries(costs)) {
  let found = Infinity
  for (let round = 0; round < 20; round++) found = Math.min(found, await used(run))
  least[name] = found
}
console.log(JSON.stringify(least))
