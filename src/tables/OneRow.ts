/**
 * Changes of one row that are transactions of their own.
 *
 * Where the present row is in memory, it is read, changed and handed to the owner in one step, without a workspace, which
 * costs more than all the rest of it. Otherwise, and after a conflict, the change runs like every other transaction.
 *
 * @internal
 */
import { Effect } from "effect"
import * as Sheet from "../batch/Sheet.ts"
import { maxWriteBytes } from "../client/Rows.ts"
import type { Timestamp } from "../Frontier.ts"
import { revising } from "../Pure.ts"
import * as Command from "../runtime/Command.ts"
import type { Relation } from "./Relation.ts"
import { isSame } from "./RowCache.ts"
import * as Rows from "./Rows.ts"
import { isConflict, type TableStore, type TransactError } from "./TableStore.ts"
import type { Turn } from "./Turns.ts"
import { type Entries, replace, roomAfter } from "./Workspace.ts"

type Writes = Array<Command.Transact["writes"][number]>

export interface Changed<A> {
  readonly value: A
  readonly time: Timestamp
}

/** Replaces the row of a key, and its index entries, in one commit. */
export const change = <K, V, A>(
  tables: TableStore,
  rows: Rows.Rows<K, V>,
  key: K,
  change: Rows.Change<V, A>
): Effect.Effect<Changed<A>, TransactError> =>
  revising(() => {
    const { relation } = rows
    const located = relation.locate(key)
    const { bytes, id } = located
    const later = (lostOn?: () => Turn) =>
      tables.transact((workspace) => Rows.changeIn(workspace, rows, key, change), lostOn)

    const present = relation.turns.over(located) === undefined ? relation.present(located) : undefined
    if (present === undefined) return later()
    const readAt = relation.now()
    const writing = new Writing()
    const { result, row } = Rows.changed(writing, rows, key, bytes, present.row, change)
    if (!isSame(present.row, row)) {
      const written: Array<Sheet.Untimed> = []
      replace(written, bytes, present.row, row)
      writing.add(relation, written)
    }
    const { writes } = writing
    if (writes.length === 0) return Effect.succeed({ value: result, time: readAt })
    const reads = [{ id: relation.id, name: relation.name, keys: [bytes], ranges: [] }]
    const done = Effect.map(
      tables.store.submit(new Command.Transact({ readAt, reads, writes })),
      (time) => ({ value: result, time })
    )
    return Effect.catchIf(done, isConflict, () => later(() => relation.turns.ofKey(id)))
  })

/** Puts the rows together, table by table. Throws `ValueOutOfRange`. */
class Writing implements Entries {
  readonly writes: Writes = []
  private room = maxWriteBytes

  add<K, V>({ id, name, sheets }: Relation<K, V>, rows: ReadonlyArray<Sheet.Untimed>): void {
    this.room = roomAfter(rows, name, this.room)
    this.writes.push({ id, name, columns: Sheet.addRows(sheets, rows) })
  }

  entry<K, V>(relation: Relation<K, V>, _: string, key: Uint8Array, value: Uint8Array, diff: number): void {
    this.add(relation, [{ key, value, diff }])
  }
}
