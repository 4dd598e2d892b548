/**
 * What a store of the agent's table does.
 */
import type { Event } from "./Events.ts"

export interface Store {
  /** Events of as many sessions, each a transaction of its own, all durable when it resolves. */
  readonly commit: (events: ReadonlyArray<Event>) => Promise<unknown>
  /** The parts of a session as they are, by key. */
  readonly session: (session: string) => Promise<ReadonlyArray<readonly [key: string, value: string]>>
  /** All that can be done for a smaller file. */
  readonly compact: () => Promise<unknown>
  readonly close: () => Promise<unknown>
}

/** The first key that no part of the session has: `/` is followed by `0`. */
export const after = (session: string): string => `${session}0`
