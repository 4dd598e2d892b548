/**
 * Writing to several collections in one step.
 *
 * State, outbox and checkpoint of an application belong together: `appendAtomic` makes them durable together or not at
 * all. The collections may have different types.
 *
 * @since 0.1.0
 */
import { Effect } from "effect"
import type { Columns } from "../batch/Columns.ts"
import type { Target } from "../engine/Stage.ts"
import type * as Frontier from "../Frontier.ts"
import { InvalidHandle, type ValueOutOfRange } from "../PersistError.ts"
import * as Command from "../runtime/Command.ts"
import { traced } from "../runtime/Spans.ts"
import type { Update } from "../Update.ts"
import { checked, type CollectionWriter, registeredOf, type WriteError } from "./CollectionWriter.ts"
import { target } from "./Registration.ts"
import * as Rows from "./Rows.ts"

/**
 * A handle of any type.
 *
 * @category models
 * @since 0.1.0
 */
export type AnyHandle = CollectionWriter<never, never, unknown>

/**
 * Adds updates to one collection of an atomic write. A collection may be added to several times.
 *
 * @category models
 * @since 0.1.0
 */
export type Add = <K, V>(handle: CollectionWriter<K, V, unknown>, updates: Iterable<Update<K, V>>) => void

/**
 * A handle that writes to a fixed set of collections, each operation to all that it names or to none.
 *
 * @category models
 * @since 0.1.0
 */
export interface MultiWriter {
  /**
   * Appends to several collections under one sequence number.
   *
   * @example
   * ```ts
   * import { MultiWriter, type CollectionWriter, Update } from "tidemark"
   *
   * const pay = (
   *   both: MultiWriter.MultiWriter,
   *   orders: CollectionWriter.CollectionWriter<string, string>,
   *   outbox: CollectionWriter.CollectionWriter<string, string>
   * ) =>
   *   both.appendAtomic((add) => {
   *     add(orders, Update.replace("o-1", "ordered", "paid", 7))
   *     add(outbox, [Update.insert("o-1", "send the receipt", 7)])
   *   })
   * ```
   */
  readonly appendAtomic: (build: (add: Add) => void) => Effect.Effect<number, WriteError | InvalidHandle>
  /** Seals the collections, or those given, at one upper. */
  readonly seal: (
    upper: Frontier.Frontier,
    handles?: ReadonlyArray<AnyHandle>
  ) => Effect.Effect<number, WriteError | InvalidHandle>
  /** Moves the since of the collections, or of those given. */
  readonly allowCompaction: (
    since: Frontier.Frontier,
    handles?: ReadonlyArray<AnyHandle>
  ) => Effect.Effect<number, WriteError | InvalidHandle>
}

/**
 * Makes a handle of at least one handle, all of the same client. Fails with what the registration of any of them failed
 * with.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <E = never>(
  handles: ReadonlyArray<CollectionWriter<never, never, E>>
): Effect.Effect<MultiWriter, InvalidHandle | E> =>
  Effect.gen(function*() {
    const [first, ...others] = handles.map(registeredOf)
    if (first === undefined) {
      return yield* new InvalidHandle({
        detail: "a writer of several collections needs at least one, but none was given"
      })
    }
    const { store } = first
    const stranger = others.find((other) => other.store.id !== store.id)
    if (stranger !== undefined) {
      return yield* new InvalidHandle({
        detail: `"${first.name}" and "${stranger.name}" belong to two runtimes, which cannot write as one`
      })
    }
    const members = yield* Effect.forEach(handles, (handle) => target(registeredOf(handle)))

    const memberOf = (handle: AnyHandle, operation: string): Effect.Effect<Target, InvalidHandle> => {
      const stranger = new InvalidHandle({
        detail: `cannot ${operation} "${handle.name}": it is not of this handle`
      })
      const registered = registeredOf(handle)
      if (registered.store.id !== store.id) return Effect.fail(stranger)
      return target(registered).pipe(
        Effect.mapError(() => stranger),
        Effect.filterOrFail(({ id }) => members.some((member) => member.id === id), () => stranger)
      )
    }
    const chosen = (only: ReadonlyArray<AnyHandle> | undefined, operation: string) =>
      only === undefined ? Effect.succeed(members) : Effect.forEach(only, (handle) => memberOf(handle, operation))
    const names = handles.map((handle) => handle.name).join(", ")

    return {
      appendAtomic: (build) =>
        traced(
          "MultiWriter.appendAtomic",
          names,
          Effect.suspend(() => {
            const added: Array<Effect.Effect<Target & { readonly columns: Columns }, InvalidHandle | ValueOutOfRange>> =
              []
            build((handle, updates) => {
              const columns = Rows.encode(registeredOf(handle).codecs, updates)
              added.push(
                Effect.flatMap(memberOf(handle, "write to"), (member) =>
                  Effect.map(columns, (encoded) => ({ ...member, columns: encoded })))
              )
            })
            return Effect.flatMap(Effect.all(added), (targets) =>
              store.submit(new Command.Write({ targets })))
          })
        ),
      seal: (upper, only) =>
        traced(
          "MultiWriter.seal",
          names,
          Effect.gen(function*() {
            yield* checked("the upper of a seal", upper)
            return yield* store.submit(new Command.Seal({ targets: yield* chosen(only, "seal"), upper }))
          })
        ),
      allowCompaction: (since, only) =>
        traced(
          "MultiWriter.allowCompaction",
          names,
          Effect.gen(function*() {
            yield* checked("the since of a compaction", since)
            const targets = yield* chosen(only, "compact")
            return yield* store.submit(
              new Command.AllowCompaction({ targets: targets.map(({ id, name }) => ({ id, name, since })) })
            )
          })
        )
    }
  })
