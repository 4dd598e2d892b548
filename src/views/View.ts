/**
 * Views: results computed from collections, and updated incrementally.
 *
 * A view is a description, built from collections with `map`, `filter`, `join`, `reduce` and so on. `changes` runs it.
 * Whenever a time is complete in all its inputs, the updates of that time go through a dataflow. Its output is the
 * updates of the view at that time. The cost depends on the number of changes, not on the size of the inputs.
 *
 * The dataflow is `@tanstack/db-ivm`, an implementation of differential dataflow (McSherry et al., "Differential
 * dataflow", 2013) in TypeScript. An application that uses views installs it. Every row is identified by the canonical
 * text of its data, so that equality never depends on a hash. Rows of views are therefore plain data: JSON, and also
 * `Date`, `bigint`, `Map`, `Set` and bytes.
 *
 * Inputs of one view share one unit of time. The functions must be pure, and must not throw.
 *
 * @since 0.1.0
 */
import * as Ivm from "@tanstack/db-ivm"
import type { Order, Stream } from "effect"
import type { CollectionEvent } from "../client/CollectionEvent.ts"
import type { CollectionReader } from "../client/CollectionReader.ts"
import type { SubscribeError, SubscribeOptions } from "../client/Subscription.ts"
import type { ValueOutOfRange } from "../PersistError.ts"

/**
 * A row of a view, with the text that identifies it.
 *
 * @internal
 */
export type Entry<K, V> = [id: string, row: readonly [key: K, value: V]]

/**
 * A collection that a view reads.
 *
 * @category models
 * @since 0.1.0
 */
export interface Input<out E> {
  /** The handle. If the same one is used twice, it is read once. */
  readonly handle: object
  /** See `CollectionReader.subscribe`. */
  readonly subscribe: (
    options: SubscribeOptions
  ) => Stream.Stream<CollectionEvent<unknown, unknown>, SubscribeError | ValueOutOfRange | E>
}

/**
 * A view with rows `(key, value)`. `E` is the error of the registration of its inputs.
 *
 * @category models
 * @since 0.1.0
 */
export interface View<out K, out V, out E = never> {
  readonly inputs: ReadonlyArray<Input<E>>
  /** @internal */
  readonly build: (nodes: Nodes) => Ivm.IStreamBuilder<Entry<K, V>>
}

/** @internal The nodes of a view in one dataflow: each is built once, however often it is used. */
export interface Nodes {
  readonly input: (input: Input<unknown>) => Ivm.IStreamBuilder<Entry<unknown, unknown>>
  readonly view: <K, V>(view: View<K, V, unknown>) => Ivm.IStreamBuilder<Entry<K, V>>
}

/** @internal The text that equal data share. */
export const identify = (data: unknown): string =>
  typeof data === "string" ? JSON.stringify(data) : Ivm.serializeValue(data)

/** @internal */
export const entry = <K, V>(key: K, value: V): Entry<K, V> => [identify([key, value]), [key, value]]

/**
 * A view of a collection.
 *
 * @category constructors
 * @since 0.1.0
 */
export const from = <K, V, E>(read: CollectionReader<K, V, E>): View<K, V, E> => {
  const input: Input<E> = { handle: read, subscribe: read.subscribe }
  return {
    inputs: [input],
    build: (nodes) => nodes.input(input) as Ivm.IStreamBuilder<Entry<K, V>>
  }
}

/**
 * Maps every row to another one. The multiplicities of rows with the same result are added.
 *
 * @category combinators
 * @since 0.1.0
 */
export const map = <K, V, E, K2, V2>(
  self: View<K, V, E>,
  f: (key: K, value: V) => readonly [key: K2, value: V2]
): View<K2, V2, E> => ({
  inputs: self.inputs,
  build: (nodes) => nodes.view(self).pipe(Ivm.map(([, [key, value]]) => entry(...f(key, value))))
})

/**
 * Keeps the rows for which the predicate is true.
 *
 * @category combinators
 * @since 0.1.0
 */
export const filter = <K, V, E>(
  self: View<K, V, E>,
  predicate: (key: K, value: V) => boolean
): View<K, V, E> => ({
  inputs: self.inputs,
  build: (nodes) => nodes.view(self).pipe(Ivm.filter(([, [key, value]]) => predicate(key, value)))
})

/**
 * Every pair of rows with the same key. To join by another value, `map` it to the key first.
 *
 * @see {@link map}
 *
 * @category combinators
 * @since 0.1.0
 */
export const join = <K, A, E, B, E2>(
  self: View<K, A, E>,
  that: View<K, B, E2>
): View<K, readonly [A, B], E | E2> => ({
  inputs: [...self.inputs, ...that.inputs],
  build: (nodes) =>
    keyed(nodes, self).pipe(
      Ivm.join(keyed(nodes, that), "inner"),
      Ivm.map(([, [left, right]]): Entry<K, readonly [A, B]> => {
        const [leftId, [key, a]] = left!
        const [rightId, [, b]] = right!
        return [`${leftId.length}:${leftId}${rightId}`, [key, [a, b]]]
      })
    )
})

/** Rows, indexed by the text of their keys. */
const keyed = <K, V>(nodes: Nodes, view: View<K, V, unknown>): Ivm.IStreamBuilder<[string, Entry<K, V>]> =>
  nodes.view(view).pipe(Ivm.map((row): [string, Entry<K, V>] => [identify(row[1][0]), row]))

/**
 * For every key the values that `f` returns for all its values and their multiplicities. `f` is called with the values
 * of the keys that change, in an order that depends only on the values.
 *
 * @see {@link count}
 *
 * @category combinators
 * @since 0.1.0
 */
export const reduce = <K, V, E, V2>(
  self: View<K, V, E>,
  f: (values: ReadonlyArray<readonly [value: V, multiplicity: number]>, key: K) => ReadonlyArray<V2>
): View<K, V2, E> => ({
  inputs: self.inputs,
  build: (nodes) =>
    keyed(nodes, self).pipe(
      Ivm.reduce((rows: Array<[Entry<K, V>, number]>): Array<[Entry<K, V2>, number]> => {
        const [first] = rows
        if (first === undefined) return []
        const [[, [key]]] = first
        const ordered = rows.toSorted(([[a]], [[b]]) => a < b ? -1 : 1)
        const values = ordered.map(([[, [, value]], multiplicity]) => [value, multiplicity] as const)
        return f(values, key).map((value) => [entry(key, value), 1])
      }),
      Ivm.map(([, row]) => row)
    )
})

/**
 * The number of rows of every key.
 *
 * @see {@link reduce}
 *
 * @category combinators
 * @since 0.1.0
 */
export const count = <K, V, E>(self: View<K, V, E>): View<K, number, E> =>
  // Without their values, the rows of a key are one row with a multiplicity.
  reduce(map(self, (key) => [key, null]), (values) => values.map(([, multiplicity]) => multiplicity))

/**
 * Every row once, whatever its multiplicity.
 *
 * @category combinators
 * @since 0.1.0
 */
export const distinct = <K, V, E>(self: View<K, V, E>): View<K, V, E> => ({
  inputs: self.inputs,
  build: (nodes) =>
    nodes.view(self).pipe(
      Ivm.map((row): [string, Entry<K, V>] => [row[0], row]),
      Ivm.reduce((rows: Array<[Entry<K, V>, number]>): Array<[Entry<K, V>, number]> =>
        rows.flatMap(([row, multiplicity]) => multiplicity > 0 ? [[row, 1]] : [])
      ),
      Ivm.map(([, row]) => row)
    )
})

/**
 * The first `limit` of the distinct rows by an order, after the first `offset`. Rows that are equal by the order are
 * ordered by their data, so that the same rows always have the same result.
 *
 * @category combinators
 * @since 0.1.0
 */
export const topK = <K, V, E>(
  self: View<K, V, E>,
  options: {
    readonly order: Order.Order<readonly [key: K, value: V]>
    readonly limit: number
    readonly offset?: number | undefined
  }
): View<K, V, E> => ({
  inputs: self.inputs,
  build: (nodes) =>
    nodes.view(self).pipe(
      Ivm.topKWithFractionalIndex(options.order, { limit: options.limit, offset: options.offset ?? 0 }),
      Ivm.map(([id, [row]]): Entry<K, V> => [id, row])
    )
})
