/**
 * Checks erasures: no read that is requested after an acknowledged one shows what was written of its key before.
 *
 * An erasure of unknown outcome may be partly done. Therefore all other checks are of the history without the keys that
 * any client has requested to erase. This is sound where each command has a row of its own, at its earliest time, with
 * another key.
 *
 * @internal
 */
import { Known } from "./Facts.ts"
import type * as History from "./History.ts"
import type { Violation } from "./Violation.ts"

type Keyed = readonly [key: string, value: string, ...ReadonlyArray<number>]

const placeOf = (collection: number, key: string): string => `${collection} ${key}`

const erasedIn = (history: History.History): ReadonlySet<string> =>
  new Set(history.flatMap(({ call }) => call._tag === "Erase" ? [placeOf(call.collection, call.key)] : []))

/** The history as it would be if no client had ever written or read a key that one has requested to erase. */
export const withoutErased = (history: History.History): History.History => {
  const erased = erasedIn(history)
  if (erased.size === 0) return history
  const rest = <Row extends Keyed>(collection: number, rows: ReadonlyArray<Row>): ReadonlyArray<Row> =>
    rows.filter(([key]) => !erased.has(placeOf(collection, key)))
  return history.map((operation) => {
    const call = callWithout(operation.call, rest)
    return { ...operation, call, reply: replyWithout(operation, rest) }
  })
}

type Rest = <Row extends Keyed>(collection: number, rows: ReadonlyArray<Row>) => ReadonlyArray<Row>

const callWithout = (call: History.Call, rest: Rest): History.Call => {
  switch (call._tag) {
    case "Write":
      return {
        ...call,
        targets: call.targets.map(({ collection, updates }) => ({ collection, updates: rest(collection, updates) }))
      }
    case "CompareAndAppend":
      return {
        ...call,
        targets: call.targets.map((each) => ({ ...each, updates: rest(each.collection, each.updates) }))
      }
    case "Listen":
      return { ...call, rows: rest(call.collection, call.rows) }
    default:
      return call
  }
}

const replyWithout = ({ call, reply }: History.Operation, rest: Rest): History.Reply | undefined => {
  if (call._tag === "Snapshot" && reply?._tag === "Contents") {
    return { ...reply, rows: rest(call.collection, reply.rows) }
  }
  if ((call._tag !== "Subscribe" && call._tag !== "Listen") || reply?._tag !== "Delivered") return reply
  const events = reply.events.map((event) =>
    event._tag === "Updates" ? { ...event, updates: rest(call.collection, event.updates) } : event
  )
  return { ...reply, events }
}

/** The only write of each row of an erased key. */
const ownersOf = (history: History.History, erased: ReadonlySet<string>) => {
  const owners = new Map<string, History.Operation | undefined>()
  for (const operation of history) {
    const { call } = operation
    const targets = call._tag === "Write" || call._tag === "CompareAndAppend" ? call.targets : []
    for (const { collection, updates } of targets) {
      for (const [key, value] of updates) {
        const place = placeOf(collection, key)
        if (!erased.has(place)) continue
        const row = rowOf(place, value)
        const isOwn = !owners.has(row) || owners.get(row) === operation
        owners.set(row, isOwn ? operation : undefined)
      }
    }
  }
  return owners
}

const rowOf = (place: string, value: string): string => JSON.stringify([place, value])

/** What a read has shown of which collection. */
const shownBy = ({ call, reply }: History.Operation) => {
  if (call._tag === "Snapshot" && reply?._tag === "Contents") return { of: call.collection, rows: reply.rows }
  if ((call._tag !== "Subscribe" && call._tag !== "Listen") || reply?._tag !== "Delivered") return undefined
  return {
    of: call.collection,
    rows: reply.events.flatMap((event): ReadonlyArray<Keyed> => event._tag === "Updates" ? event.updates : [])
  }
}

/** A complete time may be read from what the reader knew when it opened the store. */
const asksForNews = ({ call }: History.Operation): boolean => call._tag === "Snapshot" && call.asOf === undefined

export const check = (
  history: History.History,
  opened: ReadonlyMap<string, History.Operation>
): ReadonlyArray<Violation> => {
  const erased = erasedIn(history)
  if (erased.size === 0) return []
  /** The moment before which what was written of a key is certainly erased. */
  const goneBefore = new Known<string>(opened)
  for (const { call, client, completed, invoked, outcome } of history) {
    if (call._tag !== "Erase" || outcome !== "ok" || completed === undefined) continue
    goneBefore.add(placeOf(call.collection, call.key), client, completed, invoked)
  }
  const owners = ownersOf(history, erased)
  return history.flatMap((read, index): ReadonlyArray<Violation> => {
    const shown = shownBy(read)
    if (shown === undefined) return []
    const { client, invoked } = read
    const asked = asksForNews(read) ? invoked : Math.min(invoked, opened.get(client)?.invoked ?? invoked)
    const writes = shown.rows.flatMap(([key, value]) => {
      const place = placeOf(shown.of, key)
      const write = owners.get(rowOf(place, value))
      const moment = Math.max(goneBefore.shown(place, client, asked), goneBefore.ownBefore(place, client, invoked))
      return write?.outcome === "ok" && (write.completed ?? Infinity) < moment ? [history.indexOf(write)] : []
    })
    if (writes.length === 0) return []
    const detail = "shows rows of a key that were erased before it was requested"
    return [{ kind: "ErasedShown", operation: index, others: [...new Set(writes)], collection: shown.of, detail }]
  })
}
