/**
 * The journal: the runtime's access to the log, and the only module that decides whether a commit happened.
 *
 * A log answers an append with success, with a definite failure, or with `Indeterminate`. The journal turns the last
 * into one of the first two (`UnknownAppend`). Until it knows, it appends nothing else. If another writer has acquired the
 * log meanwhile, it only checks, and leaves the log to that writer (`Tenure`).
 *
 * @internal
 */
import { type Context, Effect, Option } from "effect"
import { ByteWriter } from "../ByteWriter.ts"
import * as Commit from "../engine/Commit.ts"
import { type Fenced, type Indeterminate, type StorageError, Unavailable } from "../PersistError.ts"
import { type Log, MayUseReserve, type Writer } from "../storage/Log.ts"
import type * as Resilience from "./Resilience.ts"
import { tracedCall } from "./Spans.ts"
import * as Tenure from "./Tenure.ts"
import * as UnknownAppend from "./UnknownAppend.ts"

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

const smallBuffer = 64 * 1024
/** A buffer that a rare large commit has grown beyond this is discarded. */
const keptBuffer = 4 * 1024 * 1024

export const make = Effect.fnUntraced(function*(
  log: Log["Service"],
  acquired: Writer,
  circuit: Resilience.Circuit,
  context: Context.Context<never>,
  /** Called once it is known that another writer has acquired the log. */
  onOvertaken: (fenced: Fenced) => void
) {
  const tenure = yield* Tenure.make(log, acquired, onOvertaken)
  const unknown = UnknownAppend.make(log, tenure, circuit, context)
  let buffer = new ByteWriter(smallBuffer)

  /** After the first `Fenced` the log is not used any more. */
  const whileOurs = <A, E>(run: () => Effect.Effect<A, E>): Effect.Effect<A, E | Fenced> =>
    Effect.suspend((): Effect.Effect<A, E | Fenced> => {
      const overtaken = tenure.overtaken()
      return overtaken === undefined ? run() : Effect.fail(overtaken)
    })

  const settle: Journal["settle"] = Effect.suspend(() =>
    unknown.exists() ? unknown.settle : whileOurs(() => Effect.succeedNone)
  )

  /** The error of an append whose outcome is unknown. */
  const find = (failure: Indeterminate): Effect.Effect<void, StorageError> =>
    settle.pipe(
      // An error of another operation does not mean that the append has failed.
      Effect.mapError((error) => error === tenure.overtaken() ? error : failure),
      Effect.flatMap((commit) =>
        Option.isSome(commit)
          ? Effect.void
          : Effect.fail(new Unavailable({ operation: failure.operation, detail: failure.detail }))
      )
    )

  const noting = notingWith(tenure, unknown)
  const append: Journal["append"] = (position, commit) => {
    if (unknown.exists()) return inDoubt("appending", "the outcome of the append before is unknown")
    buffer.clear()
    Commit.encode(commit, buffer)
    const bytes = buffer.view8()
    const isLarge = bytes.length > keptBuffer
    if (isLarge) buffer = new ByteWriter(smallBuffer)
    const appending = (by: Writer) => {
      const written = by.append(position, [bytes])
      const admitted = addsRows(commit) ? written : Effect.provideService(written, MayUseReserve, true)
      return circuit.run("appending", admitted, UnknownAppend.unknown)
    }
    const appended = noting("appending", (by) => tracedCall("Log.append", log.location, appending(by)))
    // Encoding a large commit and framing it take some milliseconds each: other work has its turn between the two.
    return (isLarge ? Effect.andThen(Effect.yieldNow, appended) : appended).pipe(
      Effect.catchTag("Indeterminate", (failure) => {
        unknown.note(position, commit)
        return find(failure)
      }),
      Effect.as({ bytes: bytes.length })
    )
  }

  const journal: Journal = {
    authority: whileOurs(() =>
      unknown.exists() ? inDoubt("deleting a blob", "the outcome of an append is unknown") : Effect.void
    ),
    append: (position, commit) => whileOurs(() => append(position, commit)),
    settle,
    truncate: (before) =>
      whileOurs(() =>
        noting(
          "truncating the log",
          (by) => tracedCall("Log.truncate", log.location, circuit.run("truncating the log", by.truncate(before)))
        )
      ),
    rotate: whileOurs(() =>
      noting("rotating the log", (by) => tracedCall("Log.rotate", log.location, circuit.retry(by.rotate)))
    )
  }
  return journal
})

/**
 * Runs an operation of the writer, and notes that it is fenced. An exception: if this journal itself has acquired the log
 * again, an operation that was under way is fenced by the journal's own epoch, and may be retried.
 */
const notingWith =
  (tenure: Tenure.Tenure, unknown: UnknownAppend.UnknownAppend) =>
  <A>(operation: string, run: (by: Writer) => Effect.Effect<A, StorageError>): Effect.Effect<A, StorageError> =>
    Effect.suspend(() => {
      const by = tenure.writer()
      return Effect.catchTag(run(by), "Fenced", (error): Effect.Effect<never, Fenced | Unavailable> => {
        if (by !== tenure.writer() || unknown.exists()) {
          return Effect.fail(new Unavailable({ operation, detail: "the log was acquired again meanwhile" }))
        }
        tenure.overtake(error)
        return Effect.fail(error)
      })
    })

const addsRows = ({ changes }: Commit.Commit): boolean =>
  changes.some(({ _tag }) => _tag === "Write" || _tag === "Register" || _tag === "Evolve")

const inDoubt = (operation: string, detail: string): Effect.Effect<never, Unavailable> =>
  Effect.fail(new Unavailable({ operation, detail }))
