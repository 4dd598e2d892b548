/**
 * Recovery: reads the newest rollup, and folds the log after it.
 *
 * @internal
 */
import { Effect, Stream } from "effect"
import * as Commit from "../engine/Commit.ts"
import * as Rollup from "../engine/Rollup.ts"
import * as State from "../engine/State.ts"
import { Corrupt, type StorageError, Unavailable } from "../PersistError.ts"
import { decode } from "../Pure.ts"
import type { Blob } from "../storage/Blob.ts"
import type { Entry, Log } from "../storage/Log.ts"

/** How large an entry of the log is. */
export interface LogSize {
  readonly position: number
  readonly bytes: number
}

export interface Recovered {
  readonly state: State.State
  /** Sizes of the entries that have not been truncated behind the newest rollup. */
  readonly logSizes: ReadonlyArray<LogSize>
  /** Of the writer that appended last, or 0. */
  readonly epoch: number
}

/** Names an entry in messages. */
export const locationOf = (log: Log["Service"], position: number): string => `${log.location}, log position ${position}`

export const decodeEntry = (log: Log["Service"], entry: Entry): Effect.Effect<Commit.Commit, StorageError> =>
  decode(() => Commit.decode(entry.bytes, locationOf(log, entry.position)))

export const load = Effect.fnUntraced(function*(log: Log["Service"], blob: Blob["Service"]) {
  const { lower } = yield* log.bounds
  const entries = yield* Stream.runCollect(log.read(lower))
  const state = yield* base(log, blob, entries, lower)
  const rolledUp = state.position
  const kept = entries.filter((entry) => entry.position >= state.logFrom)
  for (const entry of kept) {
    const commit = yield* decodeEntry(log, entry)
    if (entry.position < rolledUp) State.restoreRows(state, entry.position, commit)
    else yield* decode(() => State.apply(state, commit, locationOf(log, entry.position)))
  }
  const logSizes = kept.map(({ bytes, position }) => ({ position, bytes: bytes.length }))
  return { state, logSizes, epoch: entries.at(-1)?.epoch ?? 0 } satisfies Recovered
})

/** The state of the newest rollup that the entries name, or the empty state where the log is whole. */
const base = Effect.fnUntraced(function*(
  log: Log["Service"],
  blob: Blob["Service"],
  entries: ReadonlyArray<Entry>,
  lower: number
) {
  // Most entries before the newest rollup contain rows, which need not be decoded to find it.
  const last = entries.findLast((entry) => Commit.isRollup(entry.bytes))
  const commit = last === undefined ? undefined : yield* decodeEntry(log, last)
  const newest = commit?.changes.find((change) => change._tag === "Rollup")
  if (newest === undefined) {
    if (lower === 0) return State.make()
    return yield* new Corrupt({
      location: locationOf(log, lower),
      offset: 0,
      detail: "the log has been truncated, but no entry names the rollup that replaces its beginning"
    })
  }
  const bytes = yield* blob.get(newest.key)
  if (bytes._tag === "None") {
    const { upper } = yield* log.bounds
    if (upper > lower + entries.length) {
      return yield* new Unavailable({ operation: "reading the newest rollup", detail: "the log has moved on from it" })
    }
    return yield* new Corrupt({ location: newest.key, offset: 0, detail: "the rollup that the log names is missing" })
  }
  return yield* decode(() => Rollup.decode(bytes.value, newest.key))
})

/** Whether a store that was opened now would refer to a blob. */
export const isNamed =
  (log: Log["Service"], blob: Blob["Service"]) => (key: string): Effect.Effect<boolean, StorageError> =>
    Effect.map(load(log, blob), ({ state }) => State.blobKeys(state).has(key))
