/**
 * The writer of one epoch of a log in Postgres.
 *
 * @internal
 */
import { Effect, type Scope } from "effect"
import { Corrupt, Fenced } from "../PersistError.ts"
import type { Bounds, Writer } from "../storage/Log.ts"
import * as WriterStatus from "../storage/WriterStatus.ts"
import type { Database } from "./Database.ts"
import * as Packing from "./Packing.ts"

export interface Options {
  readonly database: Database
  readonly epoch: number
  readonly bounds: Bounds
  readonly onAppend: () => void
}

/** Entries that one statement of a truncation deletes. */
const truncatedAtOnce = 1_000

export const make: (options: Options) => Effect.Effect<Writer, never, Scope.Scope> = Effect.fnUntraced(
  function*({ bounds, database, epoch, onAppend }) {
    const { change, changeOnce, location, read, tables } = database
    const status = yield* WriterStatus.make
    let upper = bounds.upper

    /** Finds why a statement found no row of this epoch at this upper. */
    const refusal = Effect.fnUntraced(function*(operation: string) {
      const [row] = yield* read(operation, `SELECT epoch, upper FROM ${tables.log}`)
      const current = Number(row?.["epoch"])
      if (current > epoch) return yield* new Fenced({ epoch, current })
      return yield* new Corrupt({
        location,
        offset: 0,
        detail: `the log has epoch ${current} and ends at ${row?.["upper"]}, but epoch ${epoch} has come to ${upper}`
      })
    })

    const { insertMany, insertOne } = insertions(tables)

    const append = Effect.fnUntraced(function*(entries: ReadonlyArray<Uint8Array>) {
      const operation = "appending to the log"
      const packed = entries.map(Packing.pack)
      const place = [BigInt(epoch), BigInt(upper)]
      const added = packed.length === 1
        ? yield* changeOnce(operation, insertOne, [...place, packed[0]!.seal, packed[0]!.bytes])
        : yield* changeOnce(operation, insertMany, [
          ...place,
          packed.map(({ seal }) => seal),
          packed.map(({ bytes }) => bytes)
        ])
      if (added.length === 0) return yield* refusal(operation)
      upper += entries.length
      onAppend()
      return upper
    })

    const truncate = Effect.fnUntraced(function*(before: number) {
      const operation = "truncating the log"
      const [row] = yield* change(
        operation,
        `UPDATE ${tables.log} SET lower = GREATEST(lower, LEAST($2::bigint, upper)) WHERE epoch = $1 RETURNING lower`,
        [BigInt(epoch), BigInt(before)]
      )
      if (row === undefined) return yield* refusal(operation)
      for (;;) {
        const [deleted] = yield* change(operation, deletion(tables), [BigInt(Number(row["lower"]))])
        if (Number(deleted?.["count"]) < truncatedAtOnce) return
      }
    })

    return WriterStatus.writerOf(status, { epoch, bounds, upper: () => upper, append, truncate })
  }
)

type Tables = Database["tables"]

/**
 * The statements of an append. A concurrent claim of a newer epoch waits for the row lock, or has it until it is
 * durable.
 */
const insertions = (tables: Tables) => {
  const insertion = (count: string, given: string): string => `
    WITH head AS (
      UPDATE ${tables.log} SET upper = upper + ${count} WHERE epoch = $1 AND upper = $2 RETURNING upper
    )
    INSERT INTO ${tables.entries} (position, epoch, crc, bytes)
    SELECT $2 + given.number - 1, $1, given.crc, given.bytes FROM head, ${given} AS given (crc, bytes, number)
    RETURNING position`
  return {
    insertMany: insertion("cardinality($3::bigint[])", "unnest($3::bigint[], $4::bytea[]) WITH ORDINALITY"),
    // A commit is one entry; arrays of one element make it a fifth slower.
    insertOne: insertion("1", "(SELECT $3::bigint, $4::bytea, 1)")
  }
}

/** Deletes some entries below a position. No writer uses entries below the lower, so that no epoch is compared. */
const deletion = (tables: Tables): string => `
  WITH gone AS (
    DELETE FROM ${tables.entries} WHERE position IN (
      SELECT position FROM ${tables.entries} WHERE position < $1 ORDER BY position LIMIT ${truncatedAtOnce}
    ) RETURNING 1
  )
  SELECT count(*) AS count FROM gone`
