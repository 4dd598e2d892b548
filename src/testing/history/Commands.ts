/**
 * The commands of a history that write rows: which rows they own, and which commands of unknown outcome were applied.
 *
 * A row that only one command has written is that command's own. A read that shows an own row shows the command, and
 * must show all of it. In this way a command of unknown outcome is found to be applied, and a difference can be
 * attributed to a command.
 *
 * @internal
 */
import type * as History from "./History.ts"

export type RowId = string

export const rowId = (key: string, value: string): RowId => `${key.length}:${key}${value}`

export interface Command {
  /** Its index in the history. */
  readonly index: number
  readonly client: string
  readonly outcome: History.Operation["outcome"]
  readonly invoked: number
  /** Infinity if there was no reply. */
  readonly completed: number
  /**
   * Its place in the order. If the outcome is unknown: that of the first read that shows it; undefined if none does.
   */
  seqNo: number | undefined
  /** Whether it certainly was applied. */
  isApplied: boolean
  /** By collection. */
  readonly updates: ReadonlyMap<number, ReadonlyArray<History.Update>>
}

export interface Commands {
  readonly all: ReadonlyArray<Command>
  /** Of one collection, whatever their outcome. */
  readonly of: (collection: number) => ReadonlyArray<Command>
  /** The command that owns the row. */
  readonly ownerOf: (collection: number, row: RowId) => Command | undefined
  /**
   * The earliest time of its rows in a collection, if it owns a row at that time. Only then can a read that begins at
   * or before that time show whether the command was applied. -1 otherwise.
   */
  readonly toldAt: (command: Command, collection: number) => number
}

export const make = (history: History.History): Commands => {
  const all = history.flatMap((operation, index) => commandOf(operation, index))
  const byCollection = new Map<number, Array<Command>>()
  const owners = new Map<number, Map<RowId, Command | undefined>>()
  for (const command of all) {
    for (const [collection, updates] of command.updates) {
      const others = byCollection.get(collection)
      if (others === undefined) byCollection.set(collection, [command])
      else others.push(command)
      own(owners, collection, command, updates)
    }
  }
  const commands: Commands = {
    all,
    of: (collection) => byCollection.get(collection) ?? [],
    ownerOf: (collection, row) => owners.get(collection)?.get(row),
    toldAt: (command, collection) => {
      const updates = command.updates.get(collection) ?? []
      const earliest = updates.reduce((least, [, , time]) => Math.min(least, time), Infinity)
      const isOwn = updates.some(([key, value, time]) =>
        time === earliest && owners.get(collection)?.get(rowId(key, value)) === command
      )
      return isOwn ? earliest : -1
    }
  }
  for (const operation of history) noteSeen(commands, operation)
  return commands
}

const commandOf = ({ call, client, completed, invoked, outcome, reply }: History.Operation, index: number) => {
  const updates = new Map<number, ReadonlyArray<History.Update>>()
  for (const target of targetsOf(call)) {
    if (target.updates.length > 0) {
      updates.set(target.collection, [...updates.get(target.collection) ?? [], ...target.updates])
    }
  }
  if (updates.size === 0) return []
  const command: Command = {
    index,
    client,
    outcome,
    invoked,
    completed: completed ?? Infinity,
    seqNo: reply?._tag === "Sequenced" ? reply.seqNo : undefined,
    isApplied: outcome === "ok",
    updates
  }
  return [command]
}

const targetsOf = (call: History.Call) => {
  switch (call._tag) {
    case "Write":
    case "CompareAndAppend":
      return call.targets
    default:
      return []
  }
}

/** A row that two commands have written has no owner, nor has a row that its command retracts itself. */
const own = (
  owners: Map<number, Map<RowId, Command | undefined>>,
  collection: number,
  command: Command,
  updates: ReadonlyArray<History.Update>
): void => {
  const rows = owners.get(collection) ?? new Map<RowId, Command | undefined>()
  owners.set(collection, rows)
  const signs = new Map<RowId, number>()
  for (const [key, value, , diff] of updates) {
    const row = rowId(key, value)
    const isSteady = diff !== 0 && (signs.get(row) ?? Math.sign(diff)) === Math.sign(diff)
    const isOwn = isSteady && (!rows.has(row) || rows.get(row) === command)
    signs.set(row, Math.sign(diff))
    rows.set(row, isOwn ? command : undefined)
  }
}

/** Records the commands of unknown outcome that a read shows. */
const noteSeen = (commands: Commands, { call, reply }: History.Operation): void => {
  const see = (collection: number, [key, value]: readonly [string, string, ...ReadonlyArray<unknown>]) => {
    const command = commands.ownerOf(collection, rowId(key, value))
    if (command?.outcome !== "unknown") return undefined
    command.isApplied = true
    return command
  }
  if (call._tag === "Snapshot" && reply?._tag === "Contents") {
    for (const row of reply.rows) {
      const command = see(call.collection, row)
      if (command === undefined || call.asOf !== undefined) continue
      command.seqNo = Math.min(command.seqNo ?? Infinity, reply.seqNo)
    }
  }
  if (call._tag === "Subscribe" && reply?._tag === "Delivered") {
    for (const event of reply.events) {
      if (event._tag === "Updates") { for (const update of event.updates) see(call.collection, update) }
    }
  }
}
