/**
 * Which blobs may be deleted, and the check before every deletion of a writer.
 *
 * The writer finds garbage by its own state. This is correct only as long as it is the writer, and knows the outcome of
 * all its appends. So the check asks the journal. It rejects every deletion once another writer has acquired the log. A
 * fenced writer deletes nothing, and the next writer collects the blobs that it stored last.
 *
 * @internal
 */
import { Effect, Stream } from "effect"
import * as State from "../engine/State.ts"
import { Blob } from "../storage/Blob.ts"
import type { Journal } from "./Journal.ts"

/**
 * The stored blobs that a state does not name. `confirm` makes sure that the caller still is the writer. It runs after
 * the listing: no newer writer can have stored a listed blob, so that a blob which the state does not name is garbage.
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
