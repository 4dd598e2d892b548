/**
 * Why a store is as large as it is, on the wire.
 *
 * @since 0.1.0
 */
import { Schema } from "effect"
import { FrontierJson, TimeJson } from "./Rows.ts"

const size = {
  /** Stored updates. */
  rows: Schema.Int,
  bytes: Schema.Int
}

/**
 * Rows that are stored together, at times from `minTime` to `maxTime`. `log`: not in a batch yet; `spill`: in a batch, and
 * not sealed when it was made; `trace`: in a batch.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Piece = Schema.Struct({
  kind: Schema.Literals(["log", "spill", "trace"]),
  level: Schema.Int,
  ...size,
  minTime: TimeJson,
  maxTime: TimeJson
})

/**
 * A key, with about the bytes that its updates take, and the time of its last change that was seen.
 *
 * @category schemas
 * @since 0.1.0
 */
export const LargeKey = Schema.Struct({
  key: Schema.Json,
  bytes: Schema.Int,
  updates: Schema.Int,
  lastChanged: TimeJson
})

/**
 * What a collection takes. `keys` are the largest ones that were found in `seenBytes` of its `bytes`; a key of which many
 * updates are stored is always found.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Footprint = Schema.Struct({
  ...size,
  since: FrontierJson,
  upper: FrontierJson,
  pieces: Schema.Array(Piece),
  keys: Schema.Array(LargeKey),
  seenBytes: Schema.Int
})

/**
 * What giving up the history before `since` would come to, and the command that does it.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Rehearsal = Schema.Struct({
  since: TimeJson,
  before: Schema.Struct(size),
  after: Schema.Struct(size),
  command: Schema.String
})

/** A collection at the end of a flow. */
const End = Schema.Struct({ collection: Schema.String, upper: FrontierJson })

/**
 * A store as a whole: its collections by their sizes, rows that are in the log alone, named holds, subscribers with
 * what has been delivered to them, and the flows that are registered in the process of the server, from collections to
 * another one, with how far each of these is sealed. Holds are shown to clients that see all collections.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Store = Schema.Struct({
  seqNo: Schema.Int,
  /** Entries of the log that are read when the store is opened. */
  logEntries: Schema.Int,
  collections: Schema.Array(
    Schema.Struct({ name: Schema.String, ...size, logBytes: Schema.Int, since: FrontierJson, upper: FrontierJson })
  ),
  holds: Schema.Array(Schema.Struct({ name: Schema.String, leaseMillis: Schema.Int })),
  subscribers: Schema.Array(
    Schema.Struct({ collection: Schema.String, delivered: FrontierJson, upper: FrontierJson })
  ),
  flows: Schema.Array(Schema.Struct({ name: Schema.String, from: Schema.Array(End), to: End }))
})
