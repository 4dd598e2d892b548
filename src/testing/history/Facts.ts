/**
 * What a history makes certain, what it makes possible, and since when: frontiers, sequence numbers, ids.
 *
 * @internal
 */
import type * as HistoryCommands from "./Commands.ts"
import type * as History from "./History.ts"
import { Timelines } from "./Timeline.ts"

/** What is certain since when, and what is possible since when. */
export interface Facts {
  readonly opened: ReadonlyMap<string, History.Operation>
  /** Sequence numbers of commands that wrote rows. */
  readonly seqNos: Known<"">
  /** By client: sequence numbers that its reads have shown, which need not be durable. */
  readonly shown: Timelines<string>
  readonly uppers: Known<number>
  readonly sinces: Known<number>
  /** By name: the smallest id that may be alive. */
  readonly ids: Known<string>
  readonly names: ReadonlyMap<number, string>
  /** What may be in force: everything that was requested, except what failed. */
  readonly possible: Asked
  /** A command is checked after those before it in its group, also if the group then fails. */
  readonly asked: Asked
}

export interface Asked {
  readonly uppers: Timelines<number>
  readonly sinces: Timelines<number>
  readonly destroyed: Timelines<string>
}

/** What is certain for all clients, and what each client knows of its own commands. */
export class Known<Name> {
  private readonly all = new Timelines<Name>()
  private readonly own = new Map<string, Timelines<Name>>()
  private readonly opened: ReadonlyMap<string, History.Operation>

  constructor(opened: ReadonlyMap<string, History.Operation>) {
    this.opened = opened
  }

  add(name: Name, client: string, at: number, value: number): void {
    this.all.of(name).add(at, value)
    const own = this.own.get(client) ?? new Timelines<Name>()
    this.own.set(client, own)
    own.of(name).add(at, value)
  }

  /** What was certain for all clients. */
  before(name: Name, moment: number): number {
    return this.all.of(name).before(moment)
  }

  /** What a client must show to a request at a moment. */
  shown(name: Name, client: string, moment: number): number {
    const opening = this.opened.get(client)
    const isWriter = opening?.call._tag === "Open" && opening.call.mode === "writer"
    const ofAll = this.before(name, isWriter ? Math.min(moment, opening.invoked) : moment)
    return Math.max(ofAll, this.ownBefore(name, client, moment))
  }

  /** What a client knows of its own commands. */
  ownBefore(name: Name, client: string, moment: number): number {
    return this.own.get(client)?.of(name).before(moment) ?? 0
  }
}

export const frontier = (recorded: History.RecordedFrontier): number => recorded ?? Infinity

export const make = (history: History.History, commands: HistoryCommands.Commands): Facts => {
  const opened = new Map(history.flatMap((each) => each.call._tag === "Open" ? [[each.client, each] as const] : []))
  const names = new Map<number, string>()
  const facts: Facts = {
    opened,
    names,
    seqNos: new Known(opened),
    shown: new Timelines(),
    uppers: new Known(opened),
    sinces: new Known(opened),
    ids: new Known(opened),
    possible: { uppers: new Timelines(), sinces: new Timelines(), destroyed: new Timelines() },
    asked: { uppers: new Timelines(), sinces: new Timelines(), destroyed: new Timelines() }
  }
  for (const { client, completed, outcome, seqNo } of commands.all) {
    if (outcome === "ok" && seqNo !== undefined) facts.seqNos.add("", client, completed, seqNo)
  }
  const registered = new Timelines<string>()
  for (const { call, completed = Infinity, reply } of history) {
    if (call._tag !== "Register" || reply?._tag !== "Registered") continue
    names.set(reply.collection, call.name)
    registered.of(call.name).add(completed, reply.collection)
  }
  for (const operation of history) noteFact(facts, registered, operation)
  return facts
}

const noteFact = (facts: Facts, registered: Timelines<string>, operation: History.Operation): void => {
  const { call, client, completed, invoked, outcome, reply } = operation
  const { asked, ids, possible, shown, sinces, uppers } = facts
  const frontiers = frontiersOf(call)
  const which = call._tag === "AllowCompaction" ? "sinces" : "uppers"
  const known = facts[which]
  for (const may of outcome === "failed" ? [asked] : [asked, possible]) {
    for (const { collection, to } of frontiers) may[which].of(collection).add(invoked, to)
    if (call._tag === "Destroy") may.destroyed.of(call.name).add(invoked, 1)
  }
  if (outcome !== "ok" || completed === undefined) return
  for (const { collection, to } of frontiers) known.add(collection, client, completed, to)
  if (call._tag === "Destroy" && reply?._tag === "Done") {
    ids.add(call.name, client, completed, registered.of(call.name).before(invoked) + 1)
  }
  if (call._tag === "Register" && reply?._tag === "Registered") ids.add(call.name, client, completed, reply.collection)
  if (call._tag === "Snapshot" && call.asOf === undefined && reply?._tag === "Contents") {
    uppers.add(call.collection, client, completed, frontier(reply.upper))
    sinces.add(call.collection, client, completed, frontier(reply.since))
    shown.of(client).add(completed, reply.seqNo)
  }
}

export const frontiersOf = (
  call: History.Call
): ReadonlyArray<{ readonly collection: number; readonly to: number }> => {
  switch (call._tag) {
    case "Seal":
      return call.collections.map((collection) => ({ collection, to: frontier(call.upper) }))
    case "AllowCompaction":
      return call.collections.map((collection) => ({ collection, to: frontier(call.since) }))
    case "CompareAndAppend":
      return call.targets.map(({ collection, upper }) => ({ collection, to: frontier(upper) }))
    default:
      return []
  }
}
