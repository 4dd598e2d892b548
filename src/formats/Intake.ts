/**
 * Rows and seals of an input as the events of a flow, up to the first that cannot be taken.
 *
 * @internal
 */
import { Stream } from "effect"
import type { CollectionEvent } from "../client/CollectionEvent.ts"
import * as Frontier from "../Frontier.ts"
import { InvalidInput } from "../PersistError.ts"
import type { Update } from "../Update.ts"

/** What rows are held against besides their format: where they go to. */
export interface Gate<in K, in V> {
  /** Times before it are complete already. */
  readonly upper: Frontier.Frontier
  /** Says why a row cannot be stored, if so. */
  readonly check: (update: Update<K, V>) => string | undefined
}

/** Takes whatever is of the format. */
export const open: Gate<unknown, unknown> = { upper: Frontier.initial, check: () => undefined }

/** What a part of the input amounts to: events, and what is wrong after them. */
export interface Taken<K, V> {
  readonly events: ReadonlyArray<CollectionEvent<K, V>>
  readonly error: InvalidInput | undefined
}

/** `unit` is what places are counted in, from 1. */
export const make = <K, V>(format: string, unit: string, { check, upper: begin }: Gate<K, V>) => {
  let upper = begin
  let events: Array<CollectionEvent<K, V>> = []
  let updates: Array<Update<K, V>> = []

  const invalid = (place: number, reason: InvalidInput["reason"], detail: string) =>
    new InvalidInput({ format, place: `${unit} ${place}`, reason, detail })
  const flush = () => {
    if (updates.length > 0) events.push({ _tag: "Updates", updates })
    updates = []
  }
  return {
    invalid,
    /** Takes a row, or says what is wrong with it. */
    row: (update: Update<K, V>, place: number): InvalidInput | undefined => {
      if (update.time < upper) {
        return invalid(place, "BelowSeal", `time ${update.time} lies below the seal ${Frontier.format(upper)}`)
      }
      const refusal = check(update)
      if (refusal !== undefined) return invalid(place, "Refused", refusal)
      updates.push(update)
      return undefined
    },
    /** Takes a seal, or says what is wrong with it. */
    seal: (to: Frontier.Frontier, place: number): InvalidInput | undefined => {
      if (to < upper) {
        const detail = `the seal goes back from ${Frontier.format(upper)} to ${Frontier.format(to)}`
        return invalid(place, "BelowSeal", detail)
      }
      upper = to
      flush()
      events.push({ _tag: "Progress", frontier: to })
      return undefined
    },
    /** What has been taken since it was asked for last. */
    taken: (error?: InvalidInput): Taken<K, V> => {
      flush()
      const all = events
      events = []
      return { events: all, error }
    }
  }
}

/** The events of all parts, up to the first error, wherever the input happens to be cut. */
export const told = <K, V, E, R>(
  parts: Stream.Stream<Taken<K, V>, E, R>
): Stream.Stream<CollectionEvent<K, V>, E | InvalidInput, R> =>
  Stream.flatMap(
    parts,
    ({ error, events }) =>
      error === undefined ? Stream.fromArray(events) : Stream.concat(Stream.fromArray(events), Stream.fail(error))
  )
