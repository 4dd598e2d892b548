/**
 * The errors of tables.
 *
 * `PersistError` exports them together with all others. A bundle has them only if its program does something that fails so.
 *
 * @since 0.1.0
 */
import { Schema } from "effect"

/**
 * An attempt of a transaction took longer than its timeout. Nothing of it was applied.
 *
 * @category errors
 * @since 0.1.0
 */
export class TransactionTimeout
  extends Schema.TaggedError<TransactionTimeout>("tidemark/TransactionTimeout")("TransactionTimeout", {
    detail: Schema.String
  })
{
  override get message(): string {
    return `a transaction was given up: ${this.detail}; nothing was applied: do less in it, or allow it more time`
  }
}

/**
 * A table is declared over a collection that is not a table, or is already open under another declaration.
 *
 * @category errors
 * @since 0.1.0
 */
export class TableMismatch extends Schema.TaggedError<TableMismatch>("tidemark/TableMismatch")("TableMismatch", {
  table: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `table "${this.table}" cannot be opened: ${this.detail}`
  }
}
