/**
 * The updates at times that are not sealed: the part of a collection that an interrupted program leaves behind.
 *
 * @since 0.1.0
 */
import { Effect, Stream } from "effect"
import { type CollectionWriter, registeredOf, type WriteError } from "../client/CollectionWriter.ts"
import { target } from "../client/Registration.ts"
import * as Runs from "../client/Runs.ts"
import * as Snapshot from "../client/Snapshot.ts"
import * as Frontier from "../Frontier.ts"
import { type CollectionDestroyed, ValueOutOfRange } from "../PersistError.ts"
import * as Update from "../Update.ts"

/** @internal */
export interface Unsealed<K, V> {
  readonly since: Frontier.Frontier
  readonly upper: Frontier.Frontier
  /** Consolidated, at the times at which they were written. */
  readonly updates: Stream.Stream<Update.Update<K, V>, Snapshot.ReadError>
}

/** @internal The updates at times that are not sealed. The scope holds the stored batches that they are in. */
export const unsealed = Effect.fnUntraced(function*<K, V, E>(write: CollectionWriter<K, V, E>) {
  const registered = registeredOf(write)
  const { batches, openView } = registered.store
  const opened = yield* Effect.acquireRelease(
    Effect.flatMap(target(registered), openView),
    ({ release }) => Effect.sync(release)
  )
  const { since, upper } = opened.view
  // The trace has sealed rows only. Times that are not sealed are never advanced, so that each update can be retracted
  // at its own time.
  const source = { ...registered, batches, runs: Runs.make(), view: { ...opened.view, trace: [] } }
  const updates = Snapshot.rows(source, { fromTime: upper, toTime: Infinity, since: 0 }, Update.make<K, V>)
  return { since, upper, updates } satisfies Unsealed<K, V>
})

/**
 * Retracts the updates that an interrupted program has appended at times from `upper` on (default: the collection's own
 * upper), by appending their negation. The program can then append them again. Returns the number of retracted rows.
 *
 * It can itself be interrupted at any moment and run again. Where some of those times are sealed it fails, and retracts
 * nothing.
 *
 * @example
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { Codec, MemoryStorage, PersistClient, Update } from "tidemark"
 * import { retractUnsealed } from "tidemark/operators"
 *
 * const program = Effect.gen(function*() {
 *   const persist = yield* PersistClient.PersistClient
 *   const words = yield* persist.createOrLoad("words", { key: Codec.string, value: Codec.unit })
 *   yield* words.compareAndAppend([Update.insert("one", undefined, 0)], { expected: 0, upper: 1 })
 *   yield* words.append([Update.insert("two", undefined, 1)])
 *
 *   yield* retractUnsealed(words)
 *   return [yield* words.get("one"), yield* words.get("two")]
 * }).pipe(Effect.provide(PersistClient.layer().pipe(Layer.provide(MemoryStorage.layer))))
 *
 * const [one, two] = await Effect.runPromise(program)
 * if (one?.length !== 1 || two?.length !== 0) throw new Error("only the sealed one is left")
 * ```
 *
 * @category operators
 * @since 0.1.0
 */
export const retractUnsealed = <K, V, E>(
  write: CollectionWriter<K, V, E>,
  options: { readonly upper?: Frontier.Frontier | undefined } = {}
): Effect.Effect<number, WriteError | Snapshot.ReadError | CollectionDestroyed | E> =>
  Effect.scoped(Effect.gen(function*() {
    const found = yield* unsealed(write)
    const { upper = found.upper } = options
    if (upper < found.upper) {
      return yield* new ValueOutOfRange({
        what: "the upper to retract from",
        detail: `"${write.name}" is sealed up to ${Frontier.format(found.upper)}, so that nothing at or after ` +
          `${Frontier.format(upper)} and before that can be taken back`
      })
    }
    let rows = 0
    yield* Stream.runForEachArray(found.updates, (chunk) => {
      const negated = chunk.filter(({ time }) => time >= upper).map(({ diff, key, time, value }) =>
        Update.make(key, value, time, -diff)
      )
      rows += negated.length
      return negated.length === 0 ? Effect.void : write.append(negated)
    })
    return rows
  }))
