/**
 * The events of a coding agent in a collection of Tidemark.
 */
import { Effect, Layer, ManagedRuntime, Stream } from "effect"
import { Codec, PersistClient, Update } from "../../src/index.ts"
import { FileStorage } from "../../src/node/index.ts"
import type { Event } from "./Events.ts"
import { after, type Store } from "./Store.ts"

/** History may go every so many commits. */
const sinceEvery = 16

export const open = async (directory: string): Promise<Store> => {
  const runtime = ManagedRuntime.make(
    PersistClient.layer({ grace: 0 }).pipe(Layer.provide(FileStorage.layer({ directory })))
  )
  const persist = await runtime.runPromise(PersistClient.PersistClient)
  const { reader, writer } = await runtime.runPromise(
    persist.createOrLoad("parts", { key: Codec.string, value: Codec.string })
  )
  let { upper } = await runtime.runPromise(persist.description("parts"))
  const write = ({ after, before, key }: Event, time: number) =>
    writer.append([
      ...(before === undefined ? [] : [Update.retract(key, before, time)]),
      Update.insert(key, after, time)
    ])
  /** Sessions do not wait for each other: their appends share a flush, and so does the seal behind them. */
  const commit = Effect.fnUntraced(function*(events: ReadonlyArray<Event>) {
    const time = upper++
    yield* Effect.all([...events.map((event) => write(event, time)), writer.seal(upper)], {
      concurrency: "unbounded",
      discard: true
    })
    if (upper % sinceEvery === 0) yield* writer.allowCompaction(time)
  })
  return {
    commit: (events) => runtime.runPromise(commit(events)),
    session: (session) =>
      runtime.runPromise(Effect.map(
        Stream.runCollect(reader.range({ from: `${session}/`, to: after(session), asOf: upper - 1 })),
        (rows) => rows.map(([key, value]) => [key, value] as const)
      )),
    compact: () => runtime.runPromise(Effect.andThen(writer.allowCompaction(upper - 1), persist.compact("parts"))),
    close: () => runtime.dispose()
  }
}
