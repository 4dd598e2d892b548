/**
 * What an update, a commit and an opening cost when there is 10 and 100 times as much of something. The mode is what there
 * is more of, and how much: `history 10`.
 */
import { Deferred, Effect, Layer, Scope, Stream } from "effect"
import { Codec, Metrics, PersistClient } from "../../src/index.ts"
import { FileStorage } from "../../src/node/index.ts"
import { type Batch, inserts, upserts } from "../Data.ts"
import { count, median, now, settle } from "../Measure.ts"
import type { Workload } from "../Workload.ts"

const text = { key: Codec.string, value: Codec.string }

const collection = (name: string) =>
  Effect.flatMap(PersistClient.PersistClient, (persist) => persist.createOrLoad(name, text))

const append = (name: string, batches: Iterable<Batch>) =>
  Effect.flatMap(
    collection(name),
    ({ writer }) =>
      Effect.forEach(batches, ({ texts, time }) => Effect.andThen(writer.append(texts), writer.seal(time + 1)), {
        discard: true
      })
  )

const listener = Effect.gen(function*() {
  const { reader } = yield* collection("rows")
  const { events } = yield* reader.listen()
  const isListening = yield* Deferred.make<void>()
  yield* Effect.forkScoped(
    Effect.andThen(Deferred.succeed(isListening, undefined), Stream.runForEach(events, () => Effect.void))
  )
  yield* Deferred.await(isListening)
})

const size = 1000

/** Ten thousand rows, ten collections, one listener, or a multiple of that. */
const filled = (what: string, factor: number) => {
  const rows = count(10_000)
  switch (what) {
    case "history":
      return append("rows", upserts(rows * factor, count(1000), size))
    case "keys":
      return append("rows", upserts(rows * factor, rows * factor, size))
    case "collections":
      return Effect.forEach(
        Array.from({ length: 10 * factor }, (_, i) => `rows-${i}`),
        (name) => append(name, [inserts(0, 10, 1)]),
        { discard: true }
      )
    default:
      return append("rows", upserts(rows, rows, size))
  }
}

const counted = Effect.all({ bytes: Metrics.total(Metrics.commitBytes), commits: Metrics.total(Metrics.commits) })

export const run: Workload = ({ directory, mode }) => {
  const [what, times] = mode.split(" ") as [string, string]
  const factor = Number(times)
  const client = PersistClient.layer().pipe(Layer.provide(FileStorage.layer({ directory })))
  const measured = Effect.gen(function*() {
    const { writer } = yield* collection("rows")
    if (what === "listeners") yield* Effect.forEach(Array.from({ length: factor }), () => listener, { discard: true })
    const last = 1_000_000_000
    const warm = count(300)
    const singles = Array.from({ length: warm + count(1000) }, (_, i) => inserts(i, 1, last + i).texts)
    const before = yield* counted
    const commits: Array<number> = []
    for (const [i, rows] of singles.entries()) {
      const start = now()
      yield* writer.append(rows)
      if (i >= warm) commits.push(now() - start)
    }
    const after = yield* counted
    const updates: Array<number> = []
    for (let i = 0; i < count(100); i++) {
      const rows = inserts(i * size, size, 2 * last + i).texts
      const start = now()
      yield* writer.append(rows)
      updates.push((now() - start) / size * 1000)
    }
    globalThis.gc?.()
    return {
      microsAnUpdate: median(updates),
      millisACommit: median(commits),
      bytesACommit: (after.bytes - before.bytes) / (after.commits - before.commits),
      resident: process.memoryUsage.rss() / 2 ** 20
    }
  })
  return Effect.runPromise(Effect.gen(function*() {
    yield* Effect.scoped(Effect.provide(filled(what, factor), client))
    settle()
    const scope = yield* Scope.make()
    const start = now()
    const services = yield* Layer.buildWithScope(client, scope)
    const open = now() - start
    const figures = yield* Effect.provide(Effect.scoped(measured), services)
    return { ...figures, open }
  }))
}
