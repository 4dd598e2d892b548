/**
 * Which steps a nemesis takes, and how often.
 *
 * @since 0.1.0
 */

/**
 * The steps of a nemesis.
 *
 * - `write`, `writeSealed`, `writeMulti`: updates of one collection; some of them below its seal; updates of several.
 * - `seal`, `allowCompaction`, `compareAndAppend`, `appendTogether`: frontiers; the last of several collections at once.
 * - `rewrite`: several versions of a long value in one command.
 * - `snapshot`, `snapshotAsOf`, `subscribe`: reads; subscribers stop and resume.
 * - `listen`, `resume`: a snapshot and the updates after it; subscriptions from the limits of the history.
 * - `readPart`, `readMidGroup`: a key, a range, a history, changes, a snapshot in parts; a snapshot between two writes.
 * - `erase`: removes a key from all history.
 * - `destroy`: destroys a collection; the next client that writes to its name creates it anew.
 * - `feed`, `retain`: operators continue where they were cut short; a policy moves `since` for a while.
 * - `hold`: a named hold is taken, or resumed, and read.
 * - `maintain`, `compact`: immediate maintenance.
 * - `start`, `stop`, `kill`: a writer opens the store, also while another has it; one closes it; one dies.
 * - `crash`: all processes die at once, and the storage loses what a power failure may take.
 * - `follow`: a read-only client opens the store.
 * - `gc`, `verify`, `copy`: a tool as a process of its own.
 * - `pause`: time passes.
 *
 * @category models
 * @since 0.1.0
 */
export type Step =
  | "write"
  | "writeSealed"
  | "writeMulti"
  | "seal"
  | "allowCompaction"
  | "compareAndAppend"
  | "appendTogether"
  | "rewrite"
  | "snapshot"
  | "snapshotAsOf"
  | "subscribe"
  | "listen"
  | "resume"
  | "readPart"
  | "readMidGroup"
  | "erase"
  | "destroy"
  | "hold"
  | "feed"
  | "retain"
  | "maintain"
  | "compact"
  | "start"
  | "stop"
  | "kill"
  | "crash"
  | "follow"
  | "gc"
  | "verify"
  | "copy"
  | "pause"

/**
 * How often each step comes, in proportion to the others.
 *
 * @category models
 * @since 0.1.0
 */
export type Profile = Readonly<Record<Step, number>>

/**
 * All steps.
 *
 * @category profiles
 * @since 0.1.0
 */
export const mixed: Profile = {
  write: 20,
  writeSealed: 2,
  writeMulti: 10,
  seal: 10,
  allowCompaction: 5,
  compareAndAppend: 6,
  appendTogether: 3,
  rewrite: 6,
  snapshot: 10,
  snapshotAsOf: 6,
  subscribe: 6,
  listen: 5,
  resume: 4,
  readPart: 8,
  readMidGroup: 3,
  erase: 2,
  destroy: 1,
  hold: 3,
  feed: 5,
  retain: 1,
  maintain: 3,
  compact: 2,
  start: 2,
  stop: 1,
  kill: 3,
  crash: 1,
  follow: 2,
  gc: 1,
  verify: 2,
  copy: 1,
  pause: 8
}

/**
 * Many reads and writes, without deaths.
 *
 * @category profiles
 * @since 0.1.0
 */
export const busy: Profile = {
  ...mixed,
  write: 40,
  writeMulti: 20,
  writeSealed: 0,
  start: 0,
  stop: 0,
  kill: 0,
  crash: 0,
  gc: 0
}

/**
 * Writers die and restart all the time.
 *
 * @category profiles
 * @since 0.1.0
 */
export const crashes: Profile = { ...mixed, start: 4, kill: 16, crash: 6 }

/**
 * Several writers take the store over from each other.
 *
 * @category profiles
 * @since 0.1.0
 */
export const rivals: Profile = { ...mixed, start: 14, kill: 4, compareAndAppend: 14 }

/**
 * Collections are created and destroyed.
 *
 * @category profiles
 * @since 0.1.0
 */
export const churn: Profile = { ...mixed, destroy: 8, maintain: 6, compact: 6 }

/**
 * Holds, erasures, operators, policies and tools.
 *
 * @category profiles
 * @since 0.1.0
 */
export const upkeep: Profile = {
  ...mixed,
  seal: 20,
  hold: 20,
  erase: 6,
  feed: 15,
  retain: 3,
  gc: 3,
  verify: 6,
  copy: 4
}

/**
 * One process at a time, and power failures: for storage that only one process uses.
 *
 * @category profiles
 * @since 0.1.0
 */
export const alone: Profile = { ...mixed, start: 0, follow: 0, kill: 0, crash: 6, gc: 0, verify: 0, copy: 0 }

/**
 * All profiles, by name.
 *
 * @category profiles
 * @since 0.1.0
 */
export const byName = { mixed, busy, crashes, rivals, churn, upkeep, alone } as const
