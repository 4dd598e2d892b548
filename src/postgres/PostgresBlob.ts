/**
 * Blobs as rows: one for each. A blob appears whole or not at all, and the first put of a key wins.
 *
 * The bytes are stored uncompressed and out of line, so that reading a range costs only as much as the range is large.
 *
 * @internal
 */
import { Effect, Option, Stream } from "effect"
import type { StorageError } from "../PersistError.ts"
import type { Blob, Info } from "../storage/Blob.ts"
import * as BlobKey from "../storage/BlobKey.ts"
import type { Database } from "./Database.ts"

/** Rows that a listing reads at a time. */
const pageRows = 1_000n

export const make = (database: Database): Blob["Service"] => {
  const { change, location, prepare, read, tables: { blobs } } = database

  const page = (prefix: string, after: string): Effect.Effect<ReadonlyArray<Info>, StorageError> =>
    read(
      "listing blobs",
      `SELECT key, octet_length(bytes) AS length FROM ${blobs}
       WHERE key > $2 AND starts_with(key, $1) ORDER BY key LIMIT $3`,
      [prefix, after, pageRows]
    ).pipe(
      Effect.map((rows) => rows.map(({ key, length }) => ({ key: String(key), bytes: Number(length) }))),
      Effect.catchTag("NotAStore", () => Effect.succeed([]))
    )

  return {
    location,
    put: (key, bytes) =>
      Effect.suspend(() => {
        BlobKey.check(key)
        return prepare.pipe(
          Effect.andThen(
            change("storing a blob", `INSERT INTO ${blobs} (key, bytes) VALUES ($1, $2) ON CONFLICT (key) DO NOTHING`, [
              key,
              bytes
            ])
          ),
          Effect.asVoid
        )
      }),
    get: (key, range) =>
      Effect.suspend(() => {
        BlobKey.check(key)
        const found = range === undefined
          ? read("reading a blob", `SELECT bytes FROM ${blobs} WHERE key = $1`, [key])
          : read(
            "reading a blob",
            `SELECT substring(bytes FROM $2::integer FOR $3::integer) AS bytes FROM ${blobs} WHERE key = $1`,
            [
              key,
              BigInt(range.offset + 1),
              BigInt(range.length)
            ]
          )
        return found.pipe(
          Effect.map(([row]) => Option.fromUndefinedOr(row?.["bytes"] as Uint8Array | undefined)),
          Effect.catchTag("NotAStore", () => Effect.succeedNone)
        )
      }),
    delete: (key) =>
      Effect.suspend(() => {
        BlobKey.check(key)
        return change("deleting a blob", `DELETE FROM ${blobs} WHERE key = $1`, [key]).pipe(
          Effect.catchTag("NotAStore", () => Effect.void),
          Effect.asVoid
        )
      }),
    list: (prefix) =>
      Stream.suspend(() => {
        BlobKey.checkPrefix(prefix)
        return Stream.paginate("", (after) =>
          Effect.map(page(prefix, after), (infos) => [
            infos,
            infos.length < Number(pageRows) ? Option.none() : Option.some(infos.at(-1)!.key)
          ]))
      })
  }
}
