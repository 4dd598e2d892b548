/**
 * Stored rows of a range with the pending writes of a workspace over them, in the order of their keys.
 *
 * @internal
 */
import { Effect, Stream } from "effect"
import * as Compare from "../batch/Compare.ts"
import { convert } from "../Pure.ts"
import type { Located } from "./Relation.ts"
import type { TransactError } from "./TableStore.ts"

/** The new state of a key: a row, or none. */
export interface Pending<A> extends Located {
  readonly row: A | undefined
}

/** `locate` and `pending` may throw what `attempt` handles. */
export const over = <A>(
  stored: Stream.Stream<A, TransactError>,
  locate: (row: A) => Located,
  pending: () => Iterable<Pending<A>>
): Stream.Stream<A, TransactError> =>
  Stream.unwrap(Effect.gen(function*() {
    const found = new Map<string, { readonly bytes: Uint8Array; readonly row: A }>()
    yield* Stream.runForEach(stored, (row) =>
      Effect.map(convert(() => locate(row)), ({ bytes, id }) => void found.set(id, { bytes, row })))
    yield* convert(() => {
      for (const { bytes, id, row } of pending()) {
        if (row === undefined) {
          found.delete(id)
        } else found.set(id, { bytes, row })
      }
    })
    const inOrder = [...found.values()].toSorted((a, b) =>
      Compare.compareBytes(a.bytes, b.bytes)
    )
    return Stream.fromIterable(inOrder.map(({ row }) => row))
  }))
