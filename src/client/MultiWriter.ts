/**
 * Writing to several collections in one step.
 *
 * Use it where the state, the outbox and the position of an application must agree: `appendAtomic` makes them durable
 * together or not at all. The collections may have different types.
 *
 * @since 0.1.0
 */
import { Effect } from "effect"
import type { Conditional, Target } from "../engine/Stage.ts"
import type * as Frontier from "../Frontier.ts"
import { InvalidHandle, type UpperMismatch, type ValueOutOfRange } from "../PersistError.ts"
import * as Command from "../runtime/Command.ts"
import { traced } from "../runtime/Spans.ts"
import type { Store } from "../runtime/Store.ts"
import type { Updates } from "../Update.ts"
import {
  checked,
  type CollectionWriter,
  conditional,
  type Expectation,
  registeredOf,
  type WriteError
} from "./CollectionWriter.ts"
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
export type Add = <K, V>(handle: CollectionWriter<K, V, unknown>, updates: Updates<K, V>) => void

/**
 * Adds updates to one collection of an atomic `compareAndAppend`, with what is expected of this collection. A collection
 * is added to once.
 *
 * @category models
 * @since 0.1.0
 */
export type AddExpected = <K, V>(
  handle: CollectionWriter<K, V, unknown>,
  updates: Updates<K, V>,
  frontiers: Expectation
) => void

/**
 * A handle that writes to a fixed set of collections. Each operation applies to all collections that it names, or to
 * none.
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
  /**
   * `compareAndAppend` of several collections in one step: appends updates at times in [expected, upper) of each collection and
   * seals it up to `upper`, if the upper of each is `expected`. Otherwise nothing happens to any of them, and `UpperMismatch`
   * names the first that differs, with the upper that it has.
   *
   * So an input position and the results computed up to it become complete together, even if several processes try the
   * same.
   *
   * @example
   * ```ts
   * import { MultiWriter, type CollectionWriter, Update } from "tidemark"
   *
   * const book = (
   *   both: MultiWriter.MultiWriter,
   *   totals: CollectionWriter.CollectionWriter<string, number>,
   *   positions: CollectionWriter.CollectionWriter<string, number>,
   *   time: number
   * ) =>
   *   both.compareAndAppend((add) => {
   *     add(totals, Update.replace("orders", 41, 42, time), { expected: time, upper: time + 1 })
   *     add(positions, Update.replace("orders", 7, 8, time), { expected: time, upper: time + 1 })
   *   })
   * ```
   *
   * @see {@link CollectionWriter.compareAndAppend}
   */
  readonly compareAndAppend: (
    build: (add: AddExpected) => void
  ) => Effect.Effect<number, WriteError | InvalidHandle | UpperMismatch>
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
    const store = yield* storeOf(handles)
    const members = yield* Effect.forEach(handles, (handle) => target(registeredOf(handle)))
    const memberOf = among(store, members)
    const chosen = (only: ReadonlyArray<AnyHandle> | undefined, operation: string) =>
      only === undefined ? Effect.succeed(members) : Effect.forEach(only, (handle) => memberOf(handle, operation))
    const names = handles.map((handle) => handle.name).join(", ")

    return {
      appendAtomic: (build) => traced("MultiWriter.appendAtomic", names, appendAtomic(store, memberOf, build)),
      compareAndAppend: (build) =>
        traced("MultiWriter.compareAndAppend", names, compareAndAppend(store, memberOf, build)),
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

/** The one store that all handles belong to. */
const storeOf = <E>(handles: ReadonlyArray<CollectionWriter<never, never, E>>): Effect.Effect<Store, InvalidHandle> => {
  const [first, ...others] = handles.map(registeredOf)
  if (first === undefined) {
    return Effect.fail(
      new InvalidHandle({ detail: "a writer of several collections needs at least one, but none was given" })
    )
  }
  const stranger = others.find((other) => other.store.id !== first.store.id)
  if (stranger === undefined) return Effect.succeed(first.store)
  return Effect.fail(
    new InvalidHandle({
      detail: `"${first.name}" and "${stranger.name}" belong to two runtimes, which cannot write as one`
    })
  )
}

/** The member of `members` that a handle belongs to, if there is one. */
type MemberOf = (handle: AnyHandle, operation: string) => Effect.Effect<Target, InvalidHandle>

const among = (store: Store, members: ReadonlyArray<Target>): MemberOf => (handle, operation) => {
  const stranger = new InvalidHandle({ detail: `cannot ${operation} "${handle.name}": it is not of this handle` })
  const registered = registeredOf(handle)
  if (registered.store.id !== store.id) return Effect.fail(stranger)
  return target(registered).pipe(
    Effect.mapError(() => stranger),
    Effect.filterOrFail(({ id }) => members.some((member) => member.id === id), () => stranger)
  )
}

/** A member with what it is to get. */
const added = <A>(
  member: Effect.Effect<Target, InvalidHandle>,
  rows: Effect.Effect<A, ValueOutOfRange>
): Effect.Effect<Target & A, InvalidHandle | ValueOutOfRange> =>
  Effect.flatMap(member, (at) => Effect.map(rows, (encoded) => ({ ...at, ...encoded })))

const appendAtomic = (store: Store, memberOf: MemberOf, build: (add: Add) => void) =>
  Effect.suspend(() => {
    const targets: Array<Effect.Effect<Command.Write["targets"][number], InvalidHandle | ValueOutOfRange>> = []
    build((handle, updates) => {
      const columns = Rows.encode(registeredOf(handle).codecs, updates)
      targets.push(added(memberOf(handle, "write to"), Effect.map(columns, (encoded) => ({ columns: encoded }))))
    })
    return Effect.flatMap(Effect.all(targets), (all) => store.submit(new Command.Write({ targets: all })))
  })

const compareAndAppend = Effect.fnUntraced(
  function*(store: Store, memberOf: MemberOf, build: (add: AddExpected) => void) {
    const adding: Array<Effect.Effect<Conditional, InvalidHandle | ValueOutOfRange>> = []
    build((handle, updates, frontiers) => {
      const rows = conditional(registeredOf(handle).codecs, updates, frontiers)
      adding.push(added(memberOf(handle, "write to"), rows))
    })
    const targets = yield* Effect.all(adding)
    const twice = targets.find(({ id }, index) => targets.findIndex((other) => other.id === id) !== index)
    if (twice !== undefined) {
      return yield* new InvalidHandle({
        detail: `"${twice.name}" was added twice to one compareAndAppend; add all of its updates at once`
      })
    }
    return yield* store.submit(new Command.CompareAndAppend({ targets }))
  }
)
