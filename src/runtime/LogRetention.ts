/**
 * How much of the log is kept: stores rollups of the state, and truncates the log behind them.
 *
 * @internal
 */
import { type Context, Effect } from "effect"
import * as Plan from "../engine/Plan.ts"
import * as Rollup from "../engine/Rollup.ts"
import type * as State from "../engine/State.ts"
import type { StorageError } from "../PersistError.ts"
import type { Blob } from "../storage/Blob.ts"
import * as Command from "./Command.ts"
import type { Journal } from "./Journal.ts"
import type { LogPins } from "./LogPins.ts"
import type { Mailbox } from "./Mailbox.ts"
import * as Metrics from "./Metrics.ts"
import type { NewBlobs } from "./NewBlobs.ts"
import type { LogSize } from "./Recovery.ts"

export interface Options {
  readonly state: State.State
  readonly limits: Plan.Limits
  readonly blob: Blob["Service"]
  readonly newBlobs: NewBlobs
  readonly pins: LogPins
  readonly journal: Journal
  readonly mailbox: Mailbox
  /** The entries of the log that had not been truncated behind the newest rollup when the store was opened. */
  readonly logSizes: ReadonlyArray<LogSize>
  readonly context: Context.Context<never>
}

export interface LogRetention {
  /** To be called after each commit, with its size in the log. */
  readonly committed: (bytes: number) => void
  /** Bytes of the entries that no rollup replaces yet. */
  readonly bytes: () => number
  /** Whether so much was appended that maintenance should look at once for what can be reclaimed. */
  readonly isTooLong: () => boolean
  /** To be called when maintenance looks for what can be reclaimed. */
  readonly looked: () => void
  readonly isRollupDue: () => boolean
  /** Whether enough was appended since the last `trim` for another one to pay. */
  readonly isTrimDue: () => boolean
  /** Stores a rollup, and truncates the log behind it, except what readers in other processes are given to catch up. */
  readonly rollUp: Effect.Effect<void, Command.Failure>
  /** As `rollUp`, but keeps nothing except what listeners in this process have to read. */
  readonly rollUpAll: Effect.Effect<void, Command.Failure>
  /** Truncates the log as far as listeners in this process permit, and gives its storage back. */
  readonly trim: Effect.Effect<void, Command.Failure>
  /** Truncates everything that the newest rollup replaces. Listeners that have not read it yet expire. */
  readonly truncateAll: Effect.Effect<void, StorageError>
}

/** Followers in other processes are given this share of the log's limit to keep up. */
const followersShare = 0.5

export const make = (options: Options): LogRetention => {
  const { context, journal, limits, mailbox, newBlobs, pins, state } = options
  const log = [...options.logSizes]
  let logBytes = log.reduce((sum, { bytes }) => sum + bytes, 0)
  /** Bytes appended since the last rollup. */
  let sinceRollup = 0
  /** Bytes appended since the log was last truncated as far as possible. */
  let sinceTrim = 0
  /** Bytes that are still to be appended before maintenance looks at once. */
  let untilLook = Plan.lookAfter(state, limits)

  const bytesBefore = (before: number): number =>
    log.reduce((sum, { bytes, position }) => position < before ? sum + bytes : sum, 0)

  /** Truncates the log behind the rollup except the last `kept` bytes. */
  const rollUp = Effect.fnUntraced(function*(kept: number) {
    const position = state.position
    const logFrom = Plan.horizon(state, limits)
    const bytes = Rollup.encode(state, logFrom)
    yield* newBlobs.storing(({ naming, newKey }) => {
      const key = newKey("rollup")
      const submit = mailbox.submit(new Command.Rollup({ key, position, logFrom }))
      return Effect.andThen(options.blob.put(key, bytes), naming(submit, () => [key]))
    })
    sinceRollup = 0
    const freed = log.splice(0, log.findLastIndex((entry) => entry.position < logFrom) + 1)
    for (const entry of freed) logBytes -= entry.bytes
    Metrics.rollupBytes.updateUnsafe(bytes.length, context)
    yield* journal.truncate(Math.min(firstOfLast(freed, kept) ?? logFrom, pins.lowest()))
  })

  const trim = Effect.gen(function*() {
    if (log.length === 0) return yield* journal.truncate(Math.min(state.logFrom, pins.lowest()))
    // The rollup's own entry stays in the log. It must not share its storage with the entries before it.
    yield* mailbox.submit(new Command.Rotate())
    yield* rollUp(0)
    sinceTrim = 0
  })

  return {
    committed: (bytes) => {
      log.push({ position: state.position - 1, bytes })
      logBytes += bytes
      sinceRollup += bytes
      sinceTrim += bytes
      untilLook -= bytes
      pins.appended(bytes)
    },
    bytes: () => logBytes,
    isTooLong: () => untilLook < 0 || sinceRollup > limits.logBytes,
    looked: () => {
      untilLook = Plan.lookAfter(state, limits)
    },
    // Where truncating all of the log would not do, there is no need to find out how much of it can be truncated.
    isRollupDue: () =>
      Plan.isRollupDue(state, limits, logBytes) &&
      Plan.isRollupDue(state, limits, bytesBefore(Plan.horizon(state, limits))),
    isTrimDue: () => sinceTrim >= limits.reclaimBytes,
    rollUp: Effect.suspend(() => rollUp(Plan.logTarget(state, limits) * followersShare)),
    rollUpAll: rollUp(0),
    trim,
    truncateAll: Effect.suspend(() => journal.truncate(state.logFrom))
  }
}

/** The position from which on the last entries have at most `bytes` bytes, if there is one. */
const firstOfLast = (entries: ReadonlyArray<LogSize>, bytes: number): number | undefined => {
  let first: number | undefined
  let sum = 0
  for (const entry of entries.toReversed()) {
    sum += entry.bytes
    if (sum > bytes) break
    first = entry.position
  }
  return first
}
