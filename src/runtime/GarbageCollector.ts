/**
 * What may be deleted, and the gate that every deletion of a writer passes.
 *
 * The writer knows what nothing refers to from its own state. That is true only as long as it is the writer, and knows the
 * outcome of all its appends. So the gate asks the journal. It is shut for good once another writer has the log: a writer
 * that was fenced deletes nothing, and leaves the blobs that it stored last to the sweep of the next one.
 *
 * @internal
 */
import { Effect, Stream } from "effect"
import * as State from "../engine/State.ts"
import { Blob } from "../storage/Blob.ts"
import type { Journal } from "./Journal.ts"

/**
 * The stored blobs that a state does not name. `confirm` makes sure that the caller still is the writer. It runs after the
 * listing: no newer writer can have stored what was listed, so that what the state does not name is not named at all.
 */
export const unnamed = Effect.fnUntraced(function*<E>(
  state: State.State,
  blob: Blob["Service"],
  confirm: Effect.Effect<void, E>
) {
  const named = State.blobKeys(state)
  const stored = yield* Stream.runCollect(Stream.concat(blob.list("batch/"), blob.list("rollup/")))
  yield* confirm
  return stored.filter(({ key }) => !named.has(key))
})

/** Deletes only while the journal permits it. */
export const gated = (blob: Blob["Service"], journal: Journal): Blob["Service"] =>
  Blob.of({ ...blob, delete: (key) => Effect.andThen(journal.authority, blob.delete(key)) })
