/**
 * A log with faults: a decorator that fulfils the contract of `Log`, in its worst case.
 *
 * @since 0.1.0
 */
import { Effect, Layer, Stream } from "effect"
import { type StorageError, Unavailable } from "../../PersistError.ts"
import { type Entry, Log, type Writer } from "../../storage/Log.ts"
import * as Faults from "./Faults.ts"

/**
 * Adds faults to a log.
 *
 * After an `Indeterminate` append the writer is unusable, as the contract says: acquire the log again, and read.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Log, never, Log | Faults.Injector> = Layer.effect(
  Log,
  Effect.gen(function*() {
    const log = yield* Log
    const injector = yield* Faults.Injector

    const rotten = (entry: Entry): Entry => ({
      ...entry,
      bytes: injector.rotten(`entry ${entry.position}`, 0, entry.bytes)
    })

    const writerOf = (writer: Writer): Writer => {
      let isUsable = true
      const guarded = <A>(
        operation: Faults.Operation,
        call: (fate: Faults.Fate) => Effect.Effect<A, StorageError>
      ): Effect.Effect<A, StorageError> =>
        Effect.suspend(() =>
          isUsable
            ? Faults.meet(injector, operation, call)
            : Effect.fail(new Unavailable({ operation, detail: unusable }))
        )
      return {
        ...writer,
        append: (position, entries) =>
          guarded("append", (fate) => {
            if (!Faults.isUnheard(fate)) return writer.append(position, entries)
            isUsable = false
            // The caller may reuse the entries as soon as it has its answer.
            const copies = entries.map((entry) => entry.slice())
            return Faults.unheard(injector, "append", fate, writer.append(position, copies))
          }),
        truncate: (before) =>
          guarded("truncate", (fate) => {
            const truncate = writer.truncate(before)
            return Faults.isUnheard(fate) ? Faults.unheard(injector, "truncate", fate, truncate) : truncate
          }),
        rotate: guarded("rotate", () => writer.rotate)
      }
    }

    return {
      ...log,
      acquire: Effect.map(Faults.meet(injector, "acquire", () => log.acquire), writerOf),
      acquireAfter: (epoch) => Effect.map(Faults.meet(injector, "acquire", () => log.acquireAfter(epoch)), writerOf),
      bounds: Faults.meet(injector, "bounds", () => log.bounds),
      read: (from) =>
        Stream.unwrap(Faults.meet(injector, "read", () => Effect.succeed(Stream.map(log.read(from), rotten))))
    }
  })
)

const unusable = "an append of unknown outcome came before; acquire the log again"
