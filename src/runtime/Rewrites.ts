/**
 * Rewrites from plan to commit: the rewriter stores the result of a rewrite, and the owner commits the swap that puts it
 * in the place of its inputs.
 *
 * @internal
 */
import { type Context, Effect } from "effect"
import type { Swap } from "../engine/Commit.ts"
import * as Overflow from "../engine/Overflow.ts"
import type { Rewrite } from "../engine/Plan.ts"
import type { Blob } from "../storage/Blob.ts"
import type { BatchStore } from "./BatchStore.ts"
import * as Command from "./Command.ts"
import type { Mailbox } from "./Mailbox.ts"
import type { MemoryPressure } from "./MemoryPressure.ts"
import type { Merger } from "./Merger.ts"
import * as Metrics from "./Metrics.ts"
import type { NewBlobs } from "./NewBlobs.ts"
import * as Rewriter from "./Rewriter.ts"

export interface Options {
  readonly blob: Blob["Service"]
  readonly newBlobs: NewBlobs
  readonly batches: BatchStore
  readonly merger: Merger
  readonly mailbox: Mailbox
  readonly pressure: MemoryPressure
  readonly partBytes: number
  readonly context: Context.Context<never>
}

export type Failure = Command.Failure | Rewriter.RewriteError

export interface Outcome {
  /** Rows left out. */
  readonly erased: number
  /** False where the state has moved on, so that the inputs are not there any more. */
  readonly isApplied: boolean
}

export interface Rewrites {
  readonly perform: (planned: Rewrite) => Effect.Effect<Outcome, Failure>
  /** As `perform`. Where rows cannot be summed, those in memory leave it all the same, before it fails. */
  readonly relieve: (planned: Rewrite) => Effect.Effect<Outcome, Failure>
  /** Whether it would fail again as the last one of the collection did, as rows could not be summed. */
  readonly isFutile: (planned: Rewrite) => boolean
}

export const make = (options: Options): Rewrites => {
  const { context, mailbox, newBlobs, pressure } = options
  /** By collection. */
  const overflowed = new Map<number, string>()

  const commit = (planned: Rewrite, how: keyof Rewriter.Rewriter) =>
    newBlobs.storing(Effect.fnUntraced(function*({ naming, newKey }) {
      const rewriter = Rewriter.make({ ...options, newKey: () => newKey("batch") })
      const { bytes, erased, swap } = yield* rewriter[how](planned)
      // The others are those that a merge had stored before it had to be restarted.
      const named = (isApplied: boolean) => isApplied ? namedBy(swap) : []
      const isApplied = yield* naming(mailbox.submit(new Command.Swap({ change: swap })), named)
      Metrics.compactionBytes.updateUnsafe(bytes, context)
      if (!isApplied) Metrics.compactionsStale.updateUnsafe(1, context)
      else if (planned.trace.length > 0) Metrics.compactions.updateUnsafe(1, context)
      pressure.ease()
      return { erased, isApplied }
    }))

  return {
    perform: (planned) => commit(planned, "run"),
    relieve: (planned) =>
      Effect.tapErrorTag(commit(planned, "run"), "ValueOutOfRange", (): Effect.Effect<unknown, Failure> => {
        if (planned.chunks.length > 0) return commit(Overflow.apart(planned), "runApart")
        return Effect.sync(() => overflowed.set(planned.collection, Overflow.attempt(planned)))
      }),
    isFutile: (planned) =>
      planned.chunks.length === 0 && overflowed.get(planned.collection) === Overflow.attempt(planned)
  }
}

const namedBy = ({ newSpills, newTrace }: Swap): ReadonlyArray<string> =>
  [...newSpills, newTrace].flatMap((batch) => batch?.parts ?? []).map(({ key }) => key)
