/**
 * A view as a running dataflow.
 *
 * @internal
 */
import * as Ivm from "@tanstack/db-ivm"
import type { Timestamp } from "../Frontier.ts"
import * as Update from "../Update.ts"
import { type Entry, entry, type Input, type Nodes, type View } from "./View.ts"

export interface Dataflow<K, V, E> {
  /** The inputs that feed it, each once. */
  readonly inputs: ReadonlyArray<Input<E>>
  /** Receives updates of one time, by input, and returns those of the view, consolidated. */
  readonly step: (
    time: Timestamp,
    updates: ReadonlyArray<ReadonlyArray<Update.Update<unknown, unknown>>>
  ) => ReadonlyArray<Update.Update<K, V>>
}

export const make = <K, V, E>(view: View<K, V, E>): Dataflow<K, V, E> => {
  const graph = new Ivm.D2()
  const inputs = view.inputs.filter((input, i) => view.inputs.findIndex(({ handle }) => handle === input.handle) === i)
  const roots = inputs.map(() => graph.newInput<Entry<unknown, unknown>>())
  const built = new Map<View<unknown, unknown, unknown>, Ivm.IStreamBuilder<unknown>>()
  const nodes: Nodes = {
    input: ({ handle }) => roots[inputs.findIndex((input) => input.handle === handle)]!,
    view: <K, V>(view: View<K, V, unknown>) => {
      const known = built.get(view) ?? view.build(nodes)
      built.set(view, known)
      return known as Ivm.IStreamBuilder<Entry<K, V>>
    }
  }
  let produced: Array<[Entry<K, V>, number]> = []
  nodes.view(view).pipe(Ivm.output((rows) => {
    produced = produced.concat(rows.getInner())
  }))
  graph.finalize()

  return {
    inputs,
    step: (time, updates) => {
      updates.forEach((ofInput, i) => {
        if (ofInput.length > 0) roots[i]!.sendData(ofInput.map(({ diff, key, value }) => [entry(key, value), diff]))
      })
      graph.run()
      const rows = produced
      produced = []
      return consolidated(time, rows)
    }
  }
}

const consolidated = <K, V>(
  time: Timestamp,
  rows: ReadonlyArray<[Entry<K, V>, number]>
): ReadonlyArray<Update.Update<K, V>> => {
  const sums = new Map<string, { readonly row: readonly [K, V]; diff: number }>()
  for (const [[id, row], diff] of rows) {
    const sum = sums.get(id)
    if (sum === undefined) sums.set(id, { row, diff })
    else sum.diff += diff
  }
  const updates: Array<Update.Update<K, V>> = []
  for (const { diff, row: [key, value] } of sums.values()) {
    if (diff !== 0) updates.push(Update.make(key, value, time, diff))
  }
  return updates
}
