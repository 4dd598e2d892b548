/**
 * Opening collections: registers them, or finds them, and makes their handles.
 *
 * @since 0.1.0
 */
import { Effect } from "effect"
import type { Codec } from "../Codec.ts"
import type { CodecRef, Registration } from "../engine/Commit.ts"
import * as Evolution from "../engine/Evolution.ts"
import * as Layout from "../Layout.ts"
import {
  type CodecMismatch,
  CollectionDestroyed,
  type SchemaMismatch,
  UnknownCollection,
  type ValueOutOfRange
} from "../PersistError.ts"
import * as Command from "../runtime/Command.ts"
import type { Store } from "../runtime/Store.ts"
import * as Collection from "./Collection.ts"
import * as CollectionReader from "./CollectionReader.ts"
import * as CollectionWriter from "./CollectionWriter.ts"
import type { Registered } from "./Registration.ts"
import type * as Rows from "./Rows.ts"
import * as Runs from "./Runs.ts"

/**
 * How to open a collection.
 *
 * @category models
 * @since 0.1.0
 */
export interface CollectionOptions<K, V> {
  readonly key: Codec<K>
  readonly value: Codec<V>
  /** What a read does with rows that these codecs cannot decode. Default: the read fails. */
  readonly undecodable?: Rows.DecodePolicy | undefined
  /**
   * Which changes of the schemas of keys and values are accepted and stored. Default `additive`: changes of the value's
   * schema under which every stored row is read and retracted as before. Other changes fail with `SchemaMismatch`. With
   * `any` all changes are accepted. Rows that the new schema does not decode are then handled by `undecodable`.
   */
  readonly schemaChange?: Evolution.SchemaChange | undefined
  /** Whether a destroyed collection is created again under its name, with a new id. Default: false. */
  readonly recreate?: boolean | undefined
  /** @internal */
  readonly isOnTimeline?: boolean | undefined
}

/**
 * What the registration of a collection may fail with. `ValueOutOfRange`: a collection would be created under a name that
 * is empty, has more than 256 UTF-16 code units, or has control characters, line separators or half surrogate pairs.
 *
 * @category errors
 * @since 0.1.0
 */
export type RegisterError =
  | Command.Failure
  | CodecMismatch
  | SchemaMismatch
  | CollectionDestroyed
  | UnknownCollection
  | ValueOutOfRange

type Open = <K, V>(name: string, options: CollectionOptions<K, V>) => Effect.Effect<Registration, RegisterError>

/** @internal The two ways to a registration. */
export interface Ways {
  readonly createOrLoad: Open
  readonly load: Open
}

/** @internal Those of a client that writes. */
export const registering = (store: Store): Ways => {
  const register = <K, V>(name: string, options: CollectionOptions<K, V>) =>
    store.submit(
      new Command.Register({
        ...requestedOf(options),
        name,
        recreate: options.recreate ?? false,
        isOnTimeline: options.isOnTimeline ?? false
      })
    )
  return {
    createOrLoad: register,
    // A collection that is found may have to remember another schema.
    load: (name, options) => Effect.andThen(find(store, name, options), register(name, { ...options, recreate: false }))
  }
}

/** @internal Those of a client that only reads. */
export const finding = (store: Store): Ways => {
  const load: Open = (name, options) => find(store, name, options)
  return { createOrLoad: load, load }
}

/** The registration of a collection that must exist. */
const find = <K, V>(
  store: Store,
  name: string,
  options: CollectionOptions<K, V>
): Effect.Effect<Registration, RegisterError> =>
  Effect.flatMap(store.sync, (): Effect.Effect<Registration, RegisterError> => {
    const { collections, destroyed, names } = store.state()
    const id = names.get(name)
    if (id === undefined) {
      return Effect.fail(
        destroyed.has(name)
          ? new CollectionDestroyed({ collection: name })
          : new UnknownCollection({ collection: name })
      )
    }
    const { registration } = collections.get(id)!
    const change = Evolution.of(registration, requestedOf(options))
    return change === undefined || change._tag === "Evolve" ? Effect.succeed(registration) : Effect.fail(change)
  })

/** @internal Makes the handles of collections. Those of one collection share its sorted runs of the rows in memory. */
export const handlesOf = (store: Store) => {
  const runs = new Map<number, Runs.Runs>()
  const unregistered = Runs.make()
  const runsOf = (id: number): Runs.Runs => {
    const known = runs.get(id)
    if (known !== undefined) return known
    const made = Runs.make()
    runs.set(id, made)
    return made
  }
  const handle = <K, V, E>(
    name: string,
    { key, undecodable = "fail", value }: CollectionOptions<K, V>,
    registration: Effect.Effect<Registration, E>,
    collectionRuns: Runs.Runs
  ): Collection.Collection<K, V, E> => {
    const registered: Registered<K, V, E> = { name, store, codecs: { key, value }, policy: undecodable, registration }
    return Collection.make(CollectionReader.make(registered, collectionRuns), CollectionWriter.make(registered))
  }
  return {
    opened: <K, V>(name: string, options: CollectionOptions<K, V>, registration: Registration) => {
      const value = formOf(store, options.value, registration)
      return handle(name, { ...options, value }, Effect.succeed(registration), runsOf(registration.id))
    },
    failed: <K, V, E>(name: string, options: CollectionOptions<K, V>, error: E) =>
      handle(name, options, Effect.fail(error), unregistered)
  }
}

const refOf = (codec: Pick<Codec<never>, "name" | "document">): CodecRef => ({
  name: codec.name,
  document: codec.document ?? ""
})

/**
 * The form in which a collection stores its values. Rows are read unchecked if the collection has only ever had this
 * schema.
 */
const formOf = <V>(store: Store, value: Codec<V>, { id, value: stored }: Registration): Codec<V> => {
  const { typed } = value
  if (typed === undefined || typed.name !== stored.name) return value
  const isFirst = store.state().collections.get(id)?.earlier.length === 0
  return typed.open(stored.document, isFirst && Layout.kept(typed.document, stored.document) === stored.document)
}

const requestedOf = <K, V>(options: CollectionOptions<K, V>): Evolution.Requested => ({
  key: refOf(options.key),
  value: refOf(options.value.typed ?? options.value),
  schemaChange: options.schemaChange ?? "additive"
})
