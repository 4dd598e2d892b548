/**
 * Reads the entries of a log, a bounded page at a time, each page as of one moment.
 *
 * @internal
 */
import { Effect, Option, Stream } from "effect"
import { Corrupt, type StorageError } from "../PersistError.ts"
import type { Entry } from "../storage/Log.ts"
import * as LogRules from "../storage/LogRules.ts"
import type { Database } from "./Database.ts"
import * as Packing from "./Packing.ts"

/** The most entries of a page; it ends behind the entry that makes it this large, in bytes of entries. */
const pageEntries = 512n
const pageBytes = 4n * 1024n * 1024n

/** An entry as it is stored, or its error. */
export interface Stored {
  readonly entry: Entry
  readonly problem: Corrupt | undefined
}

interface Page {
  readonly lower: number
  readonly upper: number
  readonly stored: ReadonlyArray<Stored>
}

/** The entries from `from` to the upper at the time of the call. */
export const read = (database: Database, from: number): Stream.Stream<Stored, StorageError> =>
  Stream.paginate<{ readonly next: number; readonly end: number | undefined }, Stored, StorageError>(
    { next: from, end: undefined },
    ({ end, next }) =>
      Effect.map(pageAt(database, next, end), ({ stored, upper }) => {
        const reached = next + stored.length
        const until = end ?? upper
        return [stored, reached < until ? Option.some({ next: reached, end: until }) : Option.none()]
      })
  )

const pageAt = Effect.fnUntraced(function*(database: Database, from: number, end: number | undefined) {
  const { location, tables: { entries, log } } = database
  const rows = yield* database.read(
    "reading the log",
    `SELECT log.lower, log.upper, page.position, page.epoch, page.crc, page.bytes
     FROM ${log} AS log LEFT JOIN LATERAL (
       SELECT * FROM (
         SELECT *, sum(size) OVER (ORDER BY position ROWS UNBOUNDED PRECEDING) - size AS before
         FROM (SELECT *, GREATEST(octet_length(bytes), crc >> 32) AS size FROM ${entries}) AS sized
         WHERE position >= $1 AND position < $2 ORDER BY position LIMIT $3
       ) AS counted WHERE before < $4
     ) AS page ON true ORDER BY page.position`,
    [BigInt(from), BigInt(end ?? Number.MAX_SAFE_INTEGER), pageEntries, pageBytes]
  )
  const head = rows[0]
  if (head === undefined) return yield* new Corrupt({ location, offset: 0, detail: "the table log has no row" })
  const [lower, upper] = [Number(head["lower"]), Number(head["upper"])]
  if (from < lower) return yield* LogRules.truncated(from, lower)
  const stored = rows.filter((row) => row["position"] !== null).map((row) =>
    unpacked(database, Number(row["position"]), Number(row["epoch"]), {
      seal: BigInt(row["crc"] as bigint | number | string),
      bytes: row["bytes"] as Uint8Array
    })
  )
  const gap = stored.findIndex(({ entry }, i) => entry.position !== from + i)
  const missing = gap >= 0 ? from + gap : stored.length === 0 && from < (end ?? upper) ? from : undefined
  if (missing !== undefined) {
    return yield* new Corrupt({ location: locationOf(database, missing), offset: 0, detail: "the entry is missing" })
  }
  return { lower, upper, stored } satisfies Page
})

const unpacked = (database: Database, position: number, epoch: number, packed: Packing.Packed): Stored => {
  const bytes = Packing.unpack(packed)
  if (bytes !== undefined) return { entry: { position, epoch, bytes }, problem: undefined }
  const location = locationOf(database, position)
  return {
    entry: { position, epoch, bytes: packed.bytes },
    problem: new Corrupt({ location, offset: 0, detail: "the entry does not match its checksum" })
  }
}

const locationOf = ({ location }: Database, position: number): string => `${location}, log position ${position}`
