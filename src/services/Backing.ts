/**
 * The table in which a service of Effect keeps its state. Layers of a program that name the same table share it.
 *
 * @internal
 */
import { Effect } from "effect"
import type { TransactionTimeout } from "../PersistError.ts"
import * as Open from "../tables/Open.ts"
import * as Table from "../tables/Table.ts"

/** What an operation on the table may fail with. */
export type BackingError = Table.TableError | TransactionTimeout

/** The table itself, and what identifies it in this process. */
export const open = Effect.fnUntraced(function*<K, V, const I extends Table.Indexes = {}>(
  name: string,
  declaration: Table.Options<K, V, I>
) {
  const opened = yield* Open.open(name, declaration)
  return { table: Table.of<K, V, I>(opened), relation: opened.rows.relation }
})
