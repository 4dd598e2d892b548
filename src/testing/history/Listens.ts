/**
 * Checks what was delivered to listeners after their snapshots: every commit once, and no update below a delivered
 * seal.
 *
 * A snapshot and all deliveries after it, up to a command whose place is known, form a snapshot at that place.
 *
 * @internal
 */
import { type Command, type Commands, type RowId, rowId } from "./Commands.ts"
import { frontier } from "./Facts.ts"
import type * as History from "./History.ts"
import type { Kind, Violation } from "./Violation.ts"

export type Listen = History.Call & { readonly _tag: "Listen" }

type Delivered = ReadonlyArray<History.Delivered>
type Updates = History.Delivered & { readonly _tag: "Updates" }

/** The commands whose own rows were delivered together. */
const deliveredIn = (commands: Commands, { collection }: Listen, { updates }: Updates): ReadonlySet<Command> =>
  new Set(updates.flatMap(([key, value]) => commands.ownerOf(collection, rowId(key, value)) ?? []))

/** The place of the last acknowledged command among some, if there is one. */
const lastOf = (delivered: ReadonlySet<Command>): number | undefined => {
  const places = [...delivered].flatMap(({ outcome, seqNo }) => outcome === "ok" && seqNo !== undefined ? [seqNo] : [])
  return places.length === 0 ? undefined : Math.max(...places)
}

/**
 * Records the commands of unknown outcome that were delivered: they precede the commands that were delivered after
 * them.
 */
export const note = (commands: Commands, history: History.History): void => {
  for (const { call, reply } of history) {
    if (call._tag === "Listen" && reply?._tag === "Delivered") noteDelivered(commands, call, reply.events)
  }
}

const noteDelivered = (commands: Commands, call: Listen, events: Delivered): void => {
  let earlier: Array<Command> = []
  for (const event of events) {
    if (event._tag !== "Updates") continue
    const delivered = deliveredIn(commands, call, event)
    const last = lastOf(delivered)
    if (last !== undefined) {
      for (const command of earlier) command.seqNo = Math.min(command.seqNo ?? Infinity, last)
      earlier = []
    }
    for (const command of delivered) {
      if (command.outcome !== "unknown") continue
      command.isApplied = true
      earlier.push(command)
    }
  }
}

/** What a listener had received with the last command whose place is known. */
export interface Delivery {
  readonly seqNo: number
  readonly rows: ReadonlyArray<History.Row>
  /** Rows of commands that were delivered with it, and may come before or after it. */
  readonly unclear: ReadonlySet<RowId>
}

export const delivery = (commands: Commands, call: Listen, events: Delivered): Delivery | undefined => {
  const last = events.findLastIndex((event) =>
    event._tag === "Updates" && lastOf(deliveredIn(commands, call, event)) !== undefined
  )
  const ended = events[last]
  if (ended?._tag !== "Updates") return undefined
  const delivered = deliveredIn(commands, call, ended)
  const unclear = [...delivered].filter(({ outcome }) => outcome === "unknown")
    .flatMap(({ updates }) => updates.get(call.collection) ?? [])
    .map(([key, value]) => rowId(key, value))
  const updates = events.slice(0, last + 1).flatMap((event) => event._tag === "Updates" ? event.updates : [])
  return {
    seqNo: lastOf(delivered)!,
    rows: [...call.rows, ...updates.map(([key, value, , diff]): History.Row => [key, value, diff])],
    unclear: new Set(unclear)
  }
}

/** Seals that move back or are ahead of the requested ones, and updates at times that were delivered as complete. */
export const progressViolations = (
  call: Listen,
  events: Delivered,
  index: number,
  mostSealed: number
): ReadonlyArray<Violation> => {
  const { collection } = call
  let upper = frontier(call.upper)
  const violation = (kind: Kind, detail: string): ReadonlyArray<Violation> => [
    { kind, operation: index, others: [], collection, detail }
  ]
  return events.flatMap((event) => {
    if (event._tag === "Updates") {
      const late = event.updates.find(([, , time]) => time < upper)
      return late === undefined
        ? []
        : violation("SealedTimeWritten", `delivered an update at ${late[2]} after a seal up to ${upper}`)
    }
    const [before, next] = [upper, frontier(event.frontier)]
    upper = next
    if (next <= before) return violation("FrontierRegressed", `delivered a seal up to ${next} after ${before}`)
    return next > mostSealed
      ? violation("FrontierAhead", `delivered a seal up to ${next}, which was never requested`)
      : []
  })
}
