/**
 * The elements of persisted queues as rows of a table, and what becomes of one that was taken.
 *
 * @internal
 */
import { Cause, Exit, Predicate, type Schema } from "effect"
import * as Codec from "../Codec.ts"
import type * as Table from "../tables/Table.ts"

/** An element that is to be delivered, now or later. */
export interface Pending {
  readonly state: "pending"
  readonly element: Schema.Json
  /** Deliveries so far. */
  readonly attempts: number
  /** The millisecond from which on it is delivered. */
  readonly visibleAt: number
  /** Of elements with the same millisecond, the one that was offered first is delivered first. */
  readonly order: number
}

/** An element that is not delivered any more. Its id is not accepted again until the row is removed. */
export interface Settled {
  readonly state: "completed" | "failed"
  readonly at: number
  readonly attempts: number
  /** What has failed, for inspection. */
  readonly element?: Schema.Json
}

export type Stored = Pending | Settled

export type Key = readonly [queue: string, id: string]

export interface Indexes extends Table.Indexes {
  /** Pending elements of each queue, in the order of delivery. */
  readonly pending: readonly [queue: string, visibleAt: number, order: number] | undefined
  /** The others, the oldest first. */
  readonly settled: readonly [state: string, at: number] | undefined
}

export const declaration: Table.Options<Key, Stored, Indexes> = {
  key: Codec.tuple([Codec.string, Codec.string]),
  value: Codec.json as unknown as Codec.Codec<Stored>,
  history: "latest",
  indexes: {
    pending: (row, [queue]) => row.state === "pending" ? [queue, row.visibleAt, row.order] : undefined,
    settled: (row) => row.state === "pending" ? undefined : [row.state, row.at]
  }
}

export const failed = ({ attempts, element }: Pending, at: number): Settled => ({
  state: "failed",
  at,
  attempts,
  element
})

/** With this failure Effect's queue says that an element can never be decoded. The class is not exported. */
const isDeadLetter = Predicate.isTagged("~effect/persistence/PersistedQueue/DeadLetter")

const isUndecodable = (cause: Cause.Cause<unknown>): boolean =>
  cause.reasons.some((reason) => Cause.isFailReason(reason) && isDeadLetter(reason.error))

/** What the end of a delivery means: an interrupted one does not count as an attempt. */
export const outcomeOf = (
  exit: Exit.Exit<unknown, unknown>,
  { attempts }: Pending,
  maxAttempts: number
): "completed" | "failed" | "again" | "later" => {
  if (Exit.isSuccess(exit)) return "completed"
  if (isUndecodable(exit.cause)) return "failed"
  if (Cause.hasInterruptsOnly(exit.cause)) return "again"
  return attempts >= maxAttempts ? "failed" : "later"
}
