/**
 * The events of a coding agent in a table of Tidemark.
 */
import { Effect, Layer, ManagedRuntime, Stream } from "effect"
import { Codec, PersistClient } from "../../src/index.ts"
import { FileStorage } from "../../src/node/index.ts"
import { Table } from "../../src/tables/index.ts"
import { after, type Store } from "./Store.ts"

class Parts extends Table.Service<Parts>()("parts", { key: Codec.string, value: Codec.string, history: "latest" }) {}

export const open = async (directory: string): Promise<Store> => {
  const client = PersistClient.layer({ grace: 0 }).pipe(Layer.provide(FileStorage.layer({ directory })))
  const runtime = ManagedRuntime.make(Layer.provideMerge(Parts.layer, client))
  const parts = await runtime.runPromise(Parts)
  return {
    commit: (events) =>
      runtime.runPromise(
        Effect.forEach(events, ({ after, key }) => parts.set(key, after), { concurrency: "unbounded", discard: true })
      ),
    session: (session) =>
      runtime.runPromise(Stream.runCollect(parts.range({ from: `${session}/`, to: after(session) }))),
    compact: () => runtime.runPromise(Effect.flatMap(PersistClient.PersistClient, (client) => client.compact("parts"))),
    close: () => runtime.dispose()
  }
}
