/**
 * The rows of an event journal in its table: the entries, those still to be sent to each remote, and how far each
 * remote has been read. Every change is one commit.
 *
 * @internal
 */
import { Effect, Option, Stream } from "effect"
import * as Effects from "effect/eventlog/EventJournal"
import * as Codec from "../Codec.ts"
import * as Platform from "../Platform.ts"
import * as Table from "../tables/Table.ts"
import * as Backing from "./Backing.ts"

interface EntryRow {
  readonly event: string
  readonly primaryKey: string
  /** Base64. */
  readonly payload: string
}

/** `next` is the first sequence number of the remote that has not been read. */
interface RemoteRow {
  readonly next: number
}

type Row = EntryRow | RemoteRow | null

const declaration: Table.Options<string, Row, {}> = {
  key: Codec.string,
  value: Codec.json as unknown as Codec.Codec<Row>,
  history: "latest"
}

const hexOf = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")

const bytesOf = (hex: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from({ length: hex.length / 2 }, (_, i) => Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16))

const entryPrefix = "entry/"
const remotePrefix = "remote/"
const unsentPrefix = "unsent/"

const entryKey = (id: Effects.EntryId): string => `${entryPrefix}${hexOf(id)}`

const unsentKey = (remote: string, key: string): string => `${unsentPrefix}${remote}/${key.slice(entryPrefix.length)}`

const rowOf = ({ event, payload, primaryKey }: Effects.Entry): EntryRow => ({
  event,
  primaryKey,
  payload: Platform.toBase64(payload)
})

const entryOf = (key: string, { event, payload, primaryKey }: EntryRow): Effects.Entry =>
  new Effects.Entry({
    id: bytesOf(key.slice(entryPrefix.length)) as Effects.EntryId,
    event,
    primaryKey,
    payload: new Uint8Array(Platform.fromBase64(payload))
  }, { disableChecks: true })

/** The sequence number after all those that are acknowledged without a gap. */
const acknowledged = (next: number, acks: ReadonlyArray<Effects.RemoteAck>): number => {
  const sequences = new Set(acks.map(({ sequence }) => sequence))
  let after = next
  while (sequences.has(after)) after++
  return after
}

/** An entry is published when its commit is durable, so that it cannot be part of a transaction of its caller. */
const atomically = <A, E>(effect: Effect.Effect<A, E>) => Table.outside(Table.transaction(effect))

const reads = (table: Table.Table<string, Row>) => {
  const keys = (prefix: string) => Stream.runCollect(Stream.map(table.range({ prefix }), ([key]) => key))
  const nextOf = (remote: string) =>
    Effect.map(
      table.get(`${remotePrefix}${remote}`),
      (row) => (Option.getOrUndefined(row) as RemoteRow | undefined)?.next
    )
  return { keys, nextOf }
}

export const make = Effect.fnUntraced(function*(name: string) {
  const { table } = yield* Backing.open(name, declaration)
  const { keys, nextOf } = reads(table)
  const remove = Effect.forEach(table.remove, { discard: true })

  const setNext = (remote: string, next: number) => table.set(`${remotePrefix}${remote}`, { next })
  const setUnsent = (remote: string, entries: ReadonlyArray<string>) =>
    Effect.forEach(entries, (key) => table.set(unsentKey(remote, key), null), { discard: true })
  /** Adds entries, which are to be sent to all remotes but one. */
  const add = Effect.fnUntraced(function*(entries: ReadonlyArray<Effects.Entry>, except?: string) {
    for (const entry of entries) yield* table.set(entryKey(entry.id), rowOf(entry))
    for (const key of yield* keys(remotePrefix)) {
      const remote = key.slice(remotePrefix.length)
      if (remote !== except) yield* setUnsent(remote, entries.map(({ id }) => entryKey(id)))
    }
  })

  return {
    /** All entries. */
    entries: Effect.map(
      Stream.runCollect(table.range({ prefix: entryPrefix })),
      (stored) => stored.map(([key, row]) => entryOf(key, row as EntryRow))
    ),
    /** Records a remote, if it is new: all entries are to be sent to it. Returns its name. */
    ensure: Effect.fnUntraced(function*(remoteId: Effects.RemoteId) {
      const remote = hexOf(remoteId)
      yield* atomically(Effect.gen(function*() {
        if ((yield* nextOf(remote)) !== undefined) return
        yield* setNext(remote, 0)
        yield* setUnsent(remote, yield* keys(entryPrefix))
      }))
      return remote
    }),
    /** The first sequence number of a remote that has not been read. */
    nextOf,
    /** Keeps entries of this journal, which are to be sent to all remotes. */
    keep: (entries: ReadonlyArray<Effects.Entry>) => atomically(add(entries)),
    /** Keeps the entries of a remote that were added, and that all of these have been read. */
    keepImported: (
      remote: string,
      all: ReadonlyArray<Effects.RemoteEntry>,
      added: ReadonlyArray<Effects.RemoteEntry>
    ) =>
      atomically(Effect.gen(function*() {
        const before = (yield* nextOf(remote)) ?? 0
        yield* add(added.map(({ entry }) => entry), remote)
        yield* setNext(remote, all.reduce((most, { remoteSequence }) => Math.max(most, remoteSequence + 1), before))
      })),
    /** The ids of the entries that are to be sent to a remote, and how to record that they were. */
    unsentTo: (remote: string) => {
      const prefix = `${unsentPrefix}${remote}/`
      return Effect.map(keys(prefix), (found) => ({
        ids: found.map((key) => bytesOf(key.slice(prefix.length)) as Effects.EntryId),
        sent: atomically(remove(found))
      }))
    },
    /** Records what a remote has acknowledged. */
    acknowledge: (remote: string, acks: ReadonlyArray<Effects.RemoteAck>, firstSequence: number) =>
      atomically(
        Effect.flatMap(nextOf(remote), (next = 0) => setNext(remote, acknowledged(Math.max(next, firstSequence), acks)))
      ),
    removeAll: atomically(Effect.flatMap(keys(""), remove))
  }
})
