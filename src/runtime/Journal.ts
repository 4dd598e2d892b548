/**
 * The journal: the runtime's access to the log, and the only module that decides whether a commit happened.
 *
 * A log answers an append with success, with a definite failure, or with `Indeterminate`. The journal turns the last
 * into one of the first two: it acquires the log again, which fences the old append, and checks whether the entry is in
 * the log. Until it knows, it appends nothing else. If another writer has acquired the log meanwhile, the old append is
 * fenced already: then it only checks, and leaves the log to that writer.
 *
 * @internal
 */
import { type Context, Effect, Fiber, Option, Schedule, Scope, Stream } from "effect"
import { ByteWriter } from "../ByteWriter.ts"
import * as Commit from "../engine/Commit.ts"
import { Fenced, Indeterminate, type StorageError, Unavailable } from "../PersistError.ts"
import { type Bounds, type Log, MayUseReserve, type Writer } from "../storage/Log.ts"
import * as Metrics from "./Metrics.ts"
import * as Recovery from "./Recovery.ts"
import type * as Resilience from "./Resilience.ts"
import { tracedCall } from "./Spans.ts"

export interface Journal {
  /** Appends the commit at `position`. After success it is durable; after a failure other than `Indeterminate` it is not there. */
  readonly append: (position: number, commit: Commit.Commit) => Effect.Effect<{ readonly bytes: number }, StorageError>
  /**
   * The commit whose outcome was unknown, if it has proved to be durable. To be called, and its result folded, before
   * the next append.
   */
  readonly settle: Effect.Effect<Option.Option<Commit.Commit>, StorageError>
  readonly truncate: (before: number) => Effect.Effect<void, StorageError>
  /**
   * Fails permanently once another writer is known to have acquired the log, and temporarily while the outcome of an
   * append is unknown. Nothing may be deleted then.
   */
  readonly authority: Effect.Effect<void, StorageError>
  /** Separates the entries of the log from later ones: see `Writer.rotate`. Not to be called during an append. */
  readonly rotate: Effect.Effect<void, StorageError>
}

/** How long one attempt to resolve an append may take in total before its callers get `Indeterminate`. */
const resolving = Schedule.exponential("20 millis").pipe(Schedule.jittered, Schedule.upTo({ times: 8 }))

export const make = Effect.fnUntraced(function*(
  log: Log["Service"],
  acquired: Writer,
  circuit: Resilience.Circuit,
  context: Context.Context<never>,
  /** Called once it is known that another writer has acquired the log. */
  onOvertaken: (fenced: Fenced) => void
) {
  // Closed with the scope of the first acquisition: a later acquisition must outlive the command that caused it.
  const scope = yield* Scope.fork(yield* Effect.scope)
  const buffer = new ByteWriter(64 * 1024)
  let writer = acquired
  let unresolved: { readonly position: number; readonly commit: Commit.Commit } | undefined
  /** The search for the outcome, which continues after its callers have timed out. */
  let search: Fiber.Fiber<boolean | undefined, StorageError> | undefined

  /** Another writer has acquired the log. Earlier appends stay valid, but this runtime appends nothing any more. */
  let overtaken: Fenced | undefined
  const overtake = (fenced: Fenced): void => {
    if (overtaken !== undefined) return
    overtaken = fenced
    onOvertaken(fenced)
  }

  const acquireAgain: Effect.Effect<Writer, StorageError> = Effect.suspend(() => log.acquireAfter(writer.epoch)).pipe(
    Scope.provide(scope),
    Effect.catchTag("Locked", ({ host, pid }) =>
      Effect.fail(
        new Unavailable({ operation: "acquiring the log again", detail: `process ${pid} on ${host} has it` })
      )),
    Effect.tap((again) => Effect.sync(() => void (writer = again)))
  )

  /**
   * Whether the unresolved commit is in the log, which is acquired again for this check. Undefined where it cannot be
   * known: another writer may have truncated the entry.
   */
  const resolve = Effect.fnUntraced(function*(position: number, commit: Commit.Commit) {
    Metrics.indeterminate.updateUnsafe(1, context)
    const bounds = yield* acquireAgain.pipe(
      Effect.map((again): Bounds => again.bounds),
      Effect.catchTag("Fenced", (fenced) => {
        overtake(fenced)
        return log.bounds
      })
    )
    if (position < bounds.lower) return undefined
    const entry = position < bounds.upper ? yield* Stream.runHead(log.read(position)) : Option.none()
    if (Option.isSome(entry)) {
      const found = yield* Recovery.decodeEntry(log, entry.value)
      if (found.writer === commit.writer && found.attempt === commit.attempt) return true
      overtake(new Fenced({ epoch: writer.epoch, current: entry.value.epoch }))
    }
    return overtaken === undefined ? false : yield* overtaken
  })

  const settle: Journal["settle"] = Effect.suspend(() => {
    if (unresolved === undefined) return overtaken === undefined ? Effect.succeedNone : Effect.fail(overtaken)
    const { commit, position } = unresolved
    return circuit.inTime("finding out about an append", found(position, commit)).pipe(
      Effect.flatMap((isThere) => {
        unresolved = undefined
        if (isThere === undefined) return Effect.fail(late("somebody else has truncated the log behind it"))
        return Effect.succeed(isThere ? Option.some(commit) : Option.none())
      })
    )
  })

  /** The result of the search that is under way, or of a new one. */
  const found = Effect.fnUntraced(function*(position: number, commit: Commit.Commit) {
    search ??= yield* Effect.forkDetach(Effect.retry(resolve(position, commit), {
      schedule: resolving,
      while: (error) => error._tag === "Unavailable" || error._tag === "Indeterminate"
    }))
    const exit = yield* Fiber.await(search)
    search = undefined
    return yield* exit
  })

  /** The error of an append whose outcome is unknown. */
  const find = (failure: Indeterminate): Effect.Effect<void, StorageError> =>
    settle.pipe(
      // An error of another operation does not mean that the append has failed.
      Effect.mapError((error) => error === overtaken ? error : failure),
      Effect.flatMap((commit) =>
        Option.isSome(commit)
          ? Effect.void
          : Effect.fail(new Unavailable({ operation: failure.operation, detail: failure.detail }))
      )
    )

  /**
   * After the first `Fenced` the log is not used any more. An exception: if this journal itself has acquired the log
   * again, an operation that was under way is fenced by the journal's own epoch, and may be retried.
   */
  const noting = <A>(
    operation: string,
    run: (by: Writer) => Effect.Effect<A, StorageError>
  ): Effect.Effect<A, StorageError> =>
    Effect.suspend(() => {
      const by = writer
      return Effect.catchTag(run(by), "Fenced", (error): Effect.Effect<never, Fenced | Unavailable> => {
        if (by !== writer || unresolved !== undefined) {
          return Effect.fail(new Unavailable({ operation, detail: "the log was acquired again meanwhile" }))
        }
        overtake(error)
        return Effect.fail(error)
      })
    })

  const authority: Journal["authority"] = Effect.suspend((): Effect.Effect<void, StorageError> => {
    if (overtaken !== undefined) return Effect.fail(overtaken)
    if (unresolved === undefined) return Effect.void
    return Effect.fail(new Unavailable({ operation: "deleting a blob", detail: "the outcome of an append is unknown" }))
  })

  const journal: Journal = {
    authority,
    append: (position, commit) => {
      if (overtaken !== undefined) return Effect.fail(overtaken)
      if (unresolved !== undefined) {
        return Effect.fail(
          new Unavailable({ operation: "appending", detail: "the outcome of the append before is unknown" })
        )
      }
      buffer.clear()
      Commit.encode(commit, buffer)
      const bytes = buffer.view8()
      const shrinking = Effect.provideService(MayUseReserve, !addsRows(commit))
      return noting(
        "appending",
        (by) =>
          tracedCall(
            "Log.append",
            log.location,
            circuit.run("appending", shrinking(by.append(position, [bytes])), late)
          )
      ).pipe(
        Effect.catchTag("Indeterminate", (failure) => {
          unresolved = { position, commit }
          return find(failure)
        }),
        Effect.as({ bytes: bytes.length })
      )
    },
    settle,
    truncate: (before) =>
      Effect.suspend(() =>
        overtaken === undefined
          ? noting(
            "truncating the log",
            (by) => tracedCall("Log.truncate", log.location, circuit.run("truncating the log", by.truncate(before)))
          )
          : Effect.fail(overtaken)
      ),
    rotate: Effect.suspend(() =>
      overtaken === undefined
        ? noting("rotating the log", (by) => tracedCall("Log.rotate", log.location, circuit.retry(by.rotate)))
        : Effect.fail(overtaken)
    )
  }
  return journal
})

const addsRows = ({ changes }: Commit.Commit): boolean =>
  changes.some(({ _tag }) => _tag === "Write" || _tag === "Register" || _tag === "Evolve")

const late = (detail: string): Indeterminate => new Indeterminate({ operation: "appending", detail })
