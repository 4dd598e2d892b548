/**
 * Tidemark as its users have it: the public API, rows in and rows out.
 */
import { Deferred, Effect, Layer, ManagedRuntime, Stream } from "effect"
import { Codec, Metrics, PersistClient, type Update } from "../src/index.ts"
import { FileStorage } from "../src/node/index.ts"
import type { Cell, Engine, Opening, Store } from "./Contract.ts"
import type { Batch } from "./Data.ts"

/** What keys and values are: text, or bytes. */
interface Form<A extends Cell> {
  readonly codec: Codec.Codec<A>
  readonly rows: (batch: Batch) => ReadonlyArray<Update.Update<A, A>>
  readonly key: (key: Buffer) => A
}

const mebibyte = 1024 * 1024
const wholeLogOptions = { logBytes: 1024 * mebibyte, memoryBytes: 1024 * mebibyte }

const open = <A extends Cell>({ codec, key, rows }: Form<A>) => async (opening: Opening): Promise<Store> => {
  // Nobody reads from other processes here, as nobody does with the peers.
  const options: PersistClient.Options = { grace: 0, ...(opening.wholeLog ? wholeLogOptions : {}) }
  const layer = PersistClient.layer(options).pipe(
    Layer.provide(FileStorage.layer({ directory: opening.directory }))
  )
  const runtime = ManagedRuntime.make(layer)
  const persist = await runtime.runPromise(PersistClient.PersistClient)
  const { reader, writer } = await runtime.runPromise(persist.createOrLoad("rows", { key: codec, value: codec }))
  const append = (batch: Batch): Effect.Effect<number, unknown> =>
    opening.seals
      ? writer.compareAndAppend(rows(batch), { expected: batch.time, upper: batch.time + 1 })
      : writer.append(rows(batch))
  if (opening.seals && (await runtime.runPromise(persist.description("rows"))).upper === 0) {
    await runtime.runPromise(writer.seal(1))
  }

  const writerFiber = (
    next: () => Batch | undefined,
    acknowledged: (millis: number) => void
  ): Effect.Effect<void, unknown> =>
    Effect.suspend(() => {
      let batch = next()
      let start = 0
      return Effect.whileLoop({
        while: () => batch !== undefined,
        body: () => {
          start = performance.now()
          return append(batch!)
        },
        step: () => {
          acknowledged(performance.now() - start)
          batch = next()
        }
      })
    })

  return {
    append: (batch) => runtime.runPromise(append(batch)),
    pump: (next, inFlight, acknowledged) =>
      runtime.runPromise(
        Effect.forEach(Array.from({ length: inFlight }), () => writerFiber(next, acknowledged), {
          concurrency: "unbounded",
          discard: true
        })
      ),
    snapshot: (asOf, onRow) =>
      runtime.runPromise(Effect.scoped(
        Effect.flatMap(
          reader.snapshot(opening.seals ? { asOf } : {}),
          ({ contents }) =>
            Stream.runForEachArray(contents, (chunk) =>
              Effect.sync(() => {
                for (const [key, value, multiplicity] of chunk) onRow(key, value, multiplicity)
              }))
        )
      )),
    gets: (keys, asOf) => {
      const wanted = keys.map(key)
      let found = 0
      return runtime.runPromise(Effect.as(
        Effect.forEach(
          wanted,
          (each) => Effect.map(reader.get(each, { asOf }), (values) => void (found += values.length)),
          { discard: true }
        ),
        undefined
      )).then(() => found)
    },
    listen: async (onRows) => {
      const listening = Deferred.makeUnsafe<void>()
      runtime.runFork(Effect.scoped(
        Effect.flatMap(reader.listen(), ({ events }) =>
          Effect.andThen(
            Deferred.succeed(listening, undefined),
            Stream.runForEach(events, (event) =>
              Effect.sync(() => {
                if (event._tag === "Progress") return
                const { updates } = event
                onRows(updates.at(-1)!.time, updates.length, (onRow) => {
                  for (const { diff, key, value } of updates) onRow(key, value, diff)
                })
              }))
          ))
      ))
      await runtime.runPromise(Deferred.await(listening))
    },
    allowCompaction: (since) => runtime.runPromise(writer.allowCompaction(since)),
    compact: () => runtime.runPromise(persist.compact("rows")),
    count: () =>
      runtime.runPromise(Effect.scoped(
        Effect.flatMap(reader.snapshot(), ({ contents }) => Stream.runCount(contents))
      )),
    flushes: () => runtime.runPromise(Metrics.total(Metrics.commits)),
    close: () => runtime.dispose()
  }
}

const strings: Form<string> = {
  codec: Codec.string,
  rows: (batch) => batch.texts,
  key: (key) => key.toString("latin1")
}
const bytes: Form<Uint8Array> = { codec: Codec.bytes, rows: (batch) => batch.rows, key: (key) => key }

export const engines: ReadonlyArray<Engine> = [
  { name: "tidemark/strings", prepare: strings.rows, open: open(strings) },
  { name: "tidemark/bytes", prepare: bytes.rows, open: open(bytes) }
]
