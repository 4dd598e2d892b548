/**
 * Checks recorded histories.
 *
 * The rules for a history:
 *
 * - A snapshot of everything shows exactly the commands at or before its place of the order. A snapshot as of a time
 *   shows exactly the updates at or before that time, and a subscription every update at a time once. Only whole
 *   commands are shown. Acknowledged commands are shown, failed ones are not, and one of unknown outcome is shown
 *   permanently or never.
 * - A snapshot and the deliveries to a listener after it show every command up to the last delivered one, once. No
 *   update follows a seal of its time.
 * - The order of the sequence numbers is that of real time: a command that was acknowledged before another was
 *   requested comes before it.
 * - Frontiers do not move back and are never ahead of the requested ones, and nothing is written below a seal.
 * - No read that is requested after an acknowledged erasure shows what was written of its key before.
 * - Of all clients that compare and append at one upper, one succeeds.
 * - Every rejection has a reason.
 *
 * A command of unknown outcome is recognised in reads by a row that no other command has written. Give each command
 * such a row, at its earliest time, in each collection that it writes to. Rows of unknown commands without one are not
 * checked. Nor are keys that a client has requested to erase, apart from their erasure: let such a row be of another key.
 *
 * Real time binds the clients of one store as follows. Changes are bound to all operations. A read-only client shows
 * everything that was acknowledged before its request. A client that writes shows its own commands, and the contents
 * when it was opened: it may not know yet that a newer writer has taken over.
 *
 * It takes O(n log n) in the number of recorded rows. Kingsbury and Alvaro, "Elle" (2020), also recover an order from
 * values that only one command has written.
 *
 * @since 0.1.0
 */
import * as HistoryCommands from "./Commands.ts"
import * as HistoryErasures from "./Erasures.ts"
import * as HistoryFacts from "./Facts.ts"
import * as History from "./History.ts"
import * as HistoryListens from "./Listens.ts"
import * as HistoryReads from "./Reads.ts"
import type { Kind, Violation } from "./Violation.ts"

/**
 * All violations of a history.
 *
 * @example
 * ```ts
 * import { type History, HistoryChecker } from "tidemark/testing"
 *
 * const history: History.History = [
 *   { client: "a", invoked: 0, completed: 1, outcome: "ok", call: { _tag: "Open", mode: "writer" } },
 *   {
 *     client: "a",
 *     invoked: 2,
 *     completed: 3,
 *     outcome: "ok",
 *     call: { _tag: "Write", targets: [{ collection: 0, updates: [["k", "v", 0, 1]] }] },
 *     reply: { _tag: "Sequenced", seqNo: 1 }
 *   },
 *   {
 *     client: "a",
 *     invoked: 4,
 *     completed: 5,
 *     outcome: "ok",
 *     call: { _tag: "Snapshot", collection: 0 },
 *     reply: { _tag: "Contents", seqNo: 1, since: 0, upper: 0, rows: [] }
 *   }
 * ]
 * const [violation] = HistoryChecker.check(history)
 * if (violation?.kind !== "LostWrite") throw new Error("it was not found")
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const check = (history: History.History): ReadonlyArray<Violation> => {
  const others = HistoryErasures.withoutErased(history)
  const commands = HistoryCommands.make(others)
  HistoryListens.note(commands, others)
  const facts = HistoryFacts.make(history, commands)
  return [
    ...history.flatMap((operation, index) => checkOperation(facts, operation, index)),
    ...checkOrder(commands),
    ...checkAppends(history),
    ...checkReads(others, commands, facts),
    ...HistoryErasures.check(history, facts.opened)
  ]
}

type Facts = HistoryFacts.Facts
type Operation<Tag> = History.Operation & { readonly call: Extract<History.Call, { readonly _tag: Tag }> }

/** All checks but those of the rows of reads, and those that compare two operations. */
const checkOperation = (facts: Facts, operation: History.Operation, index: number): ReadonlyArray<Violation> => {
  const { call, client, invoked, outcome, reply } = operation
  const violations: Array<Violation> = []
  const violate = (kind: Kind, detail: string, collection?: number): void =>
    void violations.push({ kind, operation: index, others: [], collection, detail })

  if (reply?._tag === "Refused") {
    const why = refusalViolation(facts, operation, reply)
    if (why !== undefined) violate(reply.error === History.defect ? "Defect" : "WronglyRefused", why)
  }
  if (outcome !== "ok") return violations

  for (const { collection, updates } of written(call)) {
    const upper = facts.uppers.before(collection, invoked)
    const late = updates.find(([, , time]) => time < upper)
    if (late !== undefined) violate("SealedTimeWritten", `time ${late[2]} was sealed up to ${upper} before`, collection)
  }
  if (call._tag === "Seal" || call._tag === "AllowCompaction") {
    const known = call._tag === "Seal" ? facts.uppers : facts.sinces
    for (const { collection, to } of HistoryFacts.frontiersOf(call)) {
      const least = known.shown(collection, client, invoked)
      if (to < least) violate("FrontierRegressed", `moved back to ${to} from ${least}`, collection)
    }
  }
  const isWritten = written(call).some(({ updates }) => updates.length > 0)
  for (const collection of collectionsOf(call)) {
    const name = facts.names.get(collection)
    if (name === undefined) continue
    // An operation that changes nothing may be answered by a client that does not know yet that it is fenced.
    const alive = isWritten ? facts.ids.before(name, invoked) : facts.ids.shown(name, client, invoked)
    if (collection < alive) violate("DestroyedInUse", `collection ${collection} was destroyed before`, collection)
  }
  if (call._tag === "Register" && reply?._tag === "Registered") {
    const alive = facts.ids.shown(call.name, client, invoked)
    if (reply.collection < alive) violate("DestroyedInUse", "a destroyed collection was registered", reply.collection)
  }
  if (reply?._tag === "Sequenced" && isWritten) {
    const least = facts.seqNos.before("", invoked)
    if (reply.seqNo <= least) violate("OrderViolated", `${reply.seqNo} was given after ${least}`)
  }
  if (call._tag === "Snapshot" && reply?._tag === "Contents") {
    for (const [kind, detail] of snapshotViolations(facts, operation as Operation<"Snapshot">, reply)) {
      violate(kind, detail, call.collection)
    }
  }
  return violations
}

const written = (call: History.Call) => call._tag === "Write" || call._tag === "CompareAndAppend" ? call.targets : []

const collectionsOf = (call: History.Call): ReadonlyArray<number> => {
  switch (call._tag) {
    case "Open":
    case "Register":
    case "Destroy":
    case "Subscribe":
    case "Listen":
      return []
    case "Seal":
    case "AllowCompaction":
      return call.collections
    case "Write":
    case "CompareAndAppend":
      return call.targets.map(({ collection }) => collection)
    case "Erase":
      return [call.collection]
    case "Snapshot":
      // A reader may read a complete time until it learns that the time was compacted.
      return call.asOf === undefined ? [call.collection] : []
  }
}

const snapshotViolations = (
  { possible, seqNos, shown, sinces, uppers }: Facts,
  { call, client, completed = Infinity, invoked }: Operation<"Snapshot">,
  reply: History.Reply & { readonly _tag: "Contents" }
): ReadonlyArray<readonly [Kind, string]> => {
  const found: Array<readonly [Kind, string]> = []
  const { asOf, collection } = call
  const [since, upper] = [HistoryFacts.frontier(reply.since), HistoryFacts.frontier(reply.upper)]
  for (const [what, value, most] of [["upper", upper, possible.uppers], ["since", since, possible.sinces]] as const) {
    const limit = most.of(collection).upTo(completed)
    if (value > limit) found.push(["FrontierAhead", `${what} is ${value}, but no more was requested than ${limit}`])
  }
  if (asOf !== undefined) {
    if (asOf >= upper) found.push(["FrontierAhead", `the contents as of ${asOf} were shown, but upper is ${upper}`])
    if (asOf < since) found.push(["FrontierRegressed", `the contents as of ${asOf} were shown, but since is ${since}`])
    return found
  }
  for (const [what, value, known] of [["upper", upper, uppers], ["since", since, sinces]] as const) {
    const least = known.shown(collection, client, invoked)
    if (value < least) found.push(["FrontierRegressed", `${what} is ${value}, but was ${least} before`])
  }
  const least = Math.max(seqNos.shown("", client, invoked), shown.of(client).before(invoked))
  if (reply.seqNo < least) {
    found.push(["StaleRead", `the snapshot at ${reply.seqNo} was asked for when ${least} was acknowledged`])
  }
  return found
}

/** Why a rejection has no reason. */
const refusalViolation = (
  { asked, names }: Facts,
  { call, completed = Infinity }: History.Operation,
  { actual, error, reason }: History.Reply & { readonly _tag: "Refused" }
): string | undefined => {
  const most = (timelines: HistoryFacts.Asked["uppers"], collection: number) => timelines.of(collection).upTo(completed)
  const isDestroyed = (collection: number): boolean =>
    asked.destroyed.of(names.get(collection) ?? "").upTo(completed) > 0
  switch (error === "InvalidRequest" ? reason : error) {
    case History.defect:
      return `the operation died: ${reason}`
    case "TimeSealed": {
      const isLate = written(call).some(({ collection, updates }) =>
        updates.some(([, , time]) => time < most(asked.uppers, collection))
      )
      return isLate ? undefined : "no update is at a time that anybody has sealed"
    }
    case "SealRegressed": {
      const isBack = HistoryFacts.frontiersOf(call).some(({ collection, to }) => to < most(asked.uppers, collection))
      return isBack ? undefined : "no client has sealed more"
    }
    case "SinceRegressed": {
      const isBack = HistoryFacts.frontiersOf(call).some(({ collection, to }) => to < most(asked.sinces, collection))
      return isBack ? undefined : "no client has compacted more"
    }
    case "UpperMismatch": {
      if (call._tag !== "CompareAndAppend") return undefined
      if (call.targets.every(({ expected }) => actual === expected)) return "the upper is the expected one"
      const furthest = Math.max(...call.targets.map(({ collection }) => most(asked.uppers, collection)))
      return HistoryFacts.frontier(actual ?? null) > furthest
        ? `the upper is said to be ${actual}, which was never requested`
        : undefined
    }
    case "AsOfBeforeSince": {
      const isGone = call._tag === "Snapshot" && (call.asOf ?? 0) < most(asked.sinces, call.collection)
      return isGone || call._tag !== "Snapshot" ? undefined : "no client has compacted so much"
    }
    case "CollectionDestroyed":
      return collectionsOf(call).every((collection) => !isDestroyed(collection)) && collectionsOf(call).length > 0
        ? "no client has destroyed it"
        : undefined
    default:
      return undefined
  }
}

/** No sequence number belongs to two commands that wrote rows, and in its order no write is below a seal. */
const checkOrder = (commands: HistoryCommands.Commands): ReadonlyArray<Violation> => {
  const given = new Map<number, number>()
  return commands.all.flatMap(({ index, outcome, seqNo }): ReadonlyArray<Violation> => {
    if (outcome !== "ok" || seqNo === undefined) return []
    const other = given.get(seqNo)
    given.set(seqNo, index)
    if (other === undefined) return []
    return [{ kind: "OrderViolated", operation: index, others: [other], detail: `${seqNo} was given twice` }]
  })
}

/** Of all commands that expected one upper, and moved it, only one may have succeeded. */
const checkAppends = (history: History.History): ReadonlyArray<Violation> => {
  const winners = new Map<string, number>()
  return history.flatMap(({ call, outcome }, index): ReadonlyArray<Violation> => {
    if (call._tag !== "CompareAndAppend" || outcome !== "ok") return []
    return call.targets.flatMap(({ collection, expected, upper }): ReadonlyArray<Violation> => {
      if (expected === upper) return []
      const place = `${collection} ${expected}`
      const other = winners.get(place)
      winners.set(place, index)
      if (other === undefined) return []
      const detail = `two appends were acknowledged at ${expected}`
      return [{ kind: "AppendedTwice", operation: index, others: [other], collection, detail }]
    })
  })
}

/** Checks the rows of reads, collection by collection. */
const checkReads = (
  history: History.History,
  commands: HistoryCommands.Commands,
  facts: Facts
): ReadonlyArray<Violation> => {
  const reads = new Map<number, Reads>()
  const violations: Array<Violation> = []
  history.forEach((operation, index) => {
    const { call, reply } = operation
    if (call._tag !== "Snapshot" && call._tag !== "Subscribe" && call._tag !== "Listen") return
    const ofCollection = reads.get(call.collection) ?? { sequenced: [], timed: [], stretches: [] }
    reads.set(call.collection, ofCollection)
    if (call._tag === "Subscribe" && reply?._tag === "Delivered") {
      violations.push(...HistoryReads.follow(ofCollection, index, call, reply.events))
    }
    if (call._tag === "Listen" && reply?._tag === "Delivered") {
      const mostSealed = facts.possible.uppers.of(call.collection).upTo(Infinity)
      violations.push(...HistoryListens.progressViolations(call, reply.events, index, mostSealed))
      const delivered = HistoryListens.delivery(commands, call, reply.events)
      if (delivered !== undefined) {
        const { rows, seqNo, unclear } = delivered
        const read = sequenced(facts, operation, index, seqNo, HistoryReads.sumRows(rows))
        ofCollection.sequenced.push({ ...read, unclear })
      }
    }
    if (call._tag !== "Snapshot" || reply?._tag !== "Contents" || HistoryFacts.frontier(reply.since) === Infinity) {
      return
    }
    const found = HistoryReads.sumRows(reply.rows)
    if (call.asOf !== undefined) ofCollection.timed.push({ index, asOf: call.asOf, found, keys: call.keys })
    else ofCollection.sequenced.push(sequenced(facts, operation, index, reply.seqNo, found))
  })
  for (const [collection, { sequenced, stretches, timed }] of reads) {
    violations.push(
      ...HistoryReads.checkSequenced(commands, collection, sequenced),
      ...HistoryReads.checkTimed(commands, collection, timed, stretches)
    )
  }
  return violations
}

type Reads = HistoryReads.Reads

const sequenced = (
  { opened, seqNos }: Facts,
  { client, completed = Infinity, invoked }: History.Operation,
  index: number,
  seqNo: number,
  found: HistoryReads.Sums
): HistoryReads.SequencedRead => {
  const own = opened.get(client)
  const isWriter = own?.call._tag === "Open" && own.call.mode === "writer"
  return {
    index,
    seqNo,
    completed,
    found,
    certainUpTo: seqNos.shown("", client, invoked),
    mayBeBehind: (other) => {
      if (!isWriter || other === client) return false
      const opening = opened.get(other)
      return opening === undefined || !((opening.completed ?? Infinity) < own.invoked)
    }
  }
}
