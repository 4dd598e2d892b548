/**
 * Converts rows and seals of an input to the events of a flow, up to the first invalid one.
 *
 * @internal
 */
import { Stream } from "effect"
import type { CollectionEvent } from "../client/CollectionEvent.ts"
import * as Frontier from "../Frontier.ts"
import { InvalidInput } from "../PersistError.ts"
import type { Update } from "../Update.ts"

/** The constraints of the destination, besides those of the format. */
export interface Gate<in K, in V> {
  /** Times before it are complete already. */
  readonly upper: Frontier.Frontier
  /** Returns why a row cannot be stored, if so. */
  readonly check: (update: Update<K, V>) => string | undefined
}

/** Accepts everything that the format allows. */
export const open: Gate<unknown, unknown> = { upper: Frontier.initial, check: () => undefined }

/** The result of a part of the input: events, and the error after them. */
export interface Taken<K, V> {
  readonly events: ReadonlyArray<CollectionEvent<K, V>>
  readonly error: InvalidInput | undefined
}

/** `unit` is the unit of positions in errors, counted from 1. */
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
    /** Accepts a row, or returns its error. */
    row: (update: Update<K, V>, place: number): InvalidInput | undefined => {
      if (update.time < upper) {
        return invalid(place, "BelowSeal", `time ${update.time} lies below the seal ${Frontier.format(upper)}`)
      }
      const refusal = check(update)
      if (refusal !== undefined) return invalid(place, "Refused", refusal)
      updates.push(update)
      return undefined
    },
    /** Accepts a seal, or returns its error. */
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
    /** The events since the last call. */
    taken: (error?: InvalidInput): Taken<K, V> => {
      flush()
      const all = events
      events = []
      return { events: all, error }
    }
  }
}

/** The events of all parts, up to the first error, independent of how the input is divided. */
export const eventsOf = <K, V, E, R>(
  parts: Stream.Stream<Taken<K, V>, E, R>
): Stream.Stream<CollectionEvent<K, V>, E | InvalidInput, R> =>
  Stream.flatMap(
    parts,
    ({ error, events }) =>
      error === undefined ? Stream.fromArray(events) : Stream.concat(Stream.fromArray(events), Stream.fail(error))
  )
