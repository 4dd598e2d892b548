/**
 * Runs merge jobs: in this thread, one block at a time between other work, or in another thread where the platform
 * provides one.
 *
 * @internal
 */
import { Context, Effect } from "effect"
import type { Meta } from "../batch/BatchFile.ts"
import { MergeJob, type Piece, type Task } from "../batch/MergeJob.ts"
import type { Corrupt, UnsupportedFormat, ValueOutOfRange } from "../PersistError.ts"
import { compute } from "../Pure.ts"

export type MergeError = Corrupt | UnsupportedFormat | ValueOutOfRange

/** The operations that a job needs while it runs. */
export interface Outside<E> {
  /** The next of an input, or `undefined` at its end. */
  readonly feed: (input: number) => Effect.Effect<Piece | undefined, E>
  /** Takes a finished file. */
  readonly store: (bytes: Uint8Array, meta: Meta) => Effect.Effect<void, E>
}

export interface Merger {
  /**
   * Runs a job. `begin` opens its inputs; it is called again if the job must be restarted. Files stored before that are
   * then garbage.
   */
  readonly run: <E>(task: Task, begin: () => Outside<E>) => Effect.Effect<void, E | MergeError>
}

/** Runs jobs in the thread of the process. */
export const inProcess: Merger = {
  run: Effect.fnUntraced(function*(task, begin) {
    const job = new MergeJob(task)
    const outside = begin()
    while (true) {
      const step = yield* compute(() => job.step())
      if (step._tag === "Done") return
      if (step._tag === "Part") yield* outside.store(step.bytes, step.meta)
      else {
        const piece = yield* outside.feed(step.input)
        yield* compute(() => job.feed(step.input, piece))
      }
      // Other fibers run between two steps.
      yield* Effect.yieldNow
    }
  })
}

/** The merger in use. The default runs jobs in the process's own thread. */
export const Merger: Context.Reference<Merger> = Context.Reference<Merger>("tidemark/Merger", {
  defaultValue: () => inProcess
})
