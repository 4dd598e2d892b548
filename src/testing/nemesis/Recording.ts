/**
 * Collections whose writes are recorded in the history, whatever writes to them: for operators and policies, which are
 * given a handle and do the rest.
 *
 * @internal
 */
import { Deferred, Effect } from "effect"
import type { Collection } from "../../client/Collection.ts"
import type { Ack, CollectionWriter, WriteError } from "../../client/CollectionWriter.ts"
import * as Update from "../../Update.ts"
import type * as History from "../history/History.ts"
import type { Opened } from "./World.ts"

type Text = Collection<string, string>

const recorded = (updates: ReadonlyArray<Update.Update<string, string>>): ReadonlyArray<History.Update> =>
  updates.map(({ diff, key, time, value }) => [key, value, time, diff] as const)

const sequenced = (seqNo: number): History.Reply => ({ _tag: "Sequenced", seqNo })

/** The collection as a client has opened it. Updates are recorded with the values that they have when they are appended. */
export const collection = (recorder: History.Recorder, client: string, { handles, id }: Opened): Text => {
  const record = <E>(call: History.Call, run: Effect.Effect<number, E>) => recorder.record(client, call, run, sequenced)
  const { writer } = handles
  const append: CollectionWriter<string, string>["append"] = (updates) => {
    const rows = Update.toArray(updates)
    const call: History.Call = { _tag: "Write", targets: [{ collection: id, updates: recorded(rows) }] }
    return record(call, writer.append(rows))
  }
  const recording: CollectionWriter<string, string> = {
    ...writer,
    append,
    // A fiber of its own waits for the reply, so that it is recorded when it comes.
    offer: (updates) =>
      Effect.gen(function*() {
        const rows = Update.toArray(updates)
        const call: History.Call = { _tag: "Write", targets: [{ collection: id, updates: recorded(rows) }] }
        const offered = yield* Deferred.make<Ack, WriteError>()
        const offering = Effect.onExit(writer.offer(rows), (exit) => Deferred.done(offered, exit))
        const replied = Effect.flatMap(offering, (ack) => Deferred.await(ack))
        yield* Effect.forkDetach(Effect.ignore(record(call, replied)), { startImmediately: true })
        return yield* Deferred.await(offered)
      }),
    seal: (upper) => record({ _tag: "Seal", collections: [id], upper }, writer.seal(upper)),
    allowCompaction: (since) =>
      record({ _tag: "AllowCompaction", collections: [id], since }, writer.allowCompaction(since)),
    compareAndAppend: (updates, frontiers) => {
      const rows = Update.toArray(updates)
      const target = { collection: id, updates: recorded(rows), ...frontiers }
      return record({ _tag: "CompareAndAppend", targets: [target] }, writer.compareAndAppend(rows, frontiers))
    }
  }
  return { ...handles, ...recording, reader: handles.reader, writer: recording }
}
