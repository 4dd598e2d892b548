/**
 * The rows of an event journal in its collection: the entries, those still to be sent to each remote, and how far each
 * remote has been read. Every change is one commit.
 *
 * @internal
 */
import { Effect, Stream } from "effect"
import * as Effects from "effect/eventlog/EventJournal"
import * as Codec from "../Codec.ts"
import * as Platform from "../Platform.ts"
import * as Cells from "./Cells.ts"

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

const codec = Codec.json as unknown as Codec.Codec<Row>

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

const reads = (cells: Cells.Cells<Row>) => {
  const keys = (prefix: string) => Stream.runCollect(Stream.map(cells.withPrefix(prefix), ([key]) => key))
  const nextOf = (remote: string) =>
    Effect.map(cells.get(`${remotePrefix}${remote}`), (row) => (row as RemoteRow | null | undefined)?.next)

  /** Rows for entries that are to be sent to all remotes but one. */
  const unsent = (entries: ReadonlyArray<Effects.Entry>, except?: string) =>
    Effect.map(
      keys(remotePrefix),
      (remotes) =>
        remotes.map((key) => key.slice(remotePrefix.length)).filter((remote) => remote !== except).flatMap((remote) =>
          entries.map(({ id }): readonly [string, Row] => [unsentKey(remote, entryKey(id)), null])
        )
    )

  return { keys, nextOf, unsent }
}

export const make = Effect.fnUntraced(function*(collection: string) {
  const cells = yield* Cells.make(collection, codec)
  const { keys, nextOf, unsent } = reads(cells)
  return {
    /** All entries. */
    entries: Effect.map(
      Stream.runCollect(cells.withPrefix(entryPrefix)),
      (stored) => stored.map(([key, row]) => entryOf(key, row as EntryRow))
    ),
    /** Records a remote, if it is new: all entries are to be sent to it. Returns its name. */
    ensure: Effect.fnUntraced(function*(remoteId: Effects.RemoteId) {
      const remote = hexOf(remoteId)
      yield* cells.change(Effect.gen(function*() {
        if ((yield* nextOf(remote)) !== undefined) return [new Map<string, Row>(), undefined] as const
        const all = yield* keys(entryPrefix)
        const rows = all.map((key): readonly [string, Row] => [unsentKey(remote, key), null])
        return [new Map<string, Row>([[`${remotePrefix}${remote}`, { next: 0 }], ...rows]), undefined] as const
      }))
      return remote
    }),
    /** The first sequence number of a remote that has not been read. */
    nextOf,
    /** Keeps entries of this journal, which are to be sent to all remotes. */
    keep: (entries: ReadonlyArray<Effects.Entry>) =>
      cells.change(
        Effect.map(unsent(entries), (rows) => [
          new Map<string, Row>([...entries.map((entry) => [entryKey(entry.id), rowOf(entry)] as const), ...rows]),
          undefined
        ])
      ),
    /** Keeps the entries of a remote that were added, and that all of these have been read. */
    keepImported: (
      remote: string,
      all: ReadonlyArray<Effects.RemoteEntry>,
      added: ReadonlyArray<Effects.RemoteEntry>
    ) =>
      cells.change(Effect.gen(function*() {
        const entries = added.map(({ entry }) => entry)
        const next = all.reduce(
          (most, { remoteSequence }) => Math.max(most, remoteSequence + 1),
          (yield* nextOf(remote)) ?? 0
        )
        return [
          new Map<string, Row>([
            ...entries.map((entry) => [entryKey(entry.id), rowOf(entry)] as const),
            ...yield* unsent(entries, remote),
            [`${remotePrefix}${remote}`, { next }]
          ]),
          undefined
        ] as const
      })),
    /** The ids of the entries that are to be sent to a remote, and how to record that they were. */
    unsentTo: (remote: string) => {
      const prefix = `${unsentPrefix}${remote}/`
      return Effect.map(keys(prefix), (found) => ({
        ids: found.map((key) => bytesOf(key.slice(prefix.length)) as Effects.EntryId),
        sent: cells.change(Effect.succeed([new Map(found.map((key) => [key, undefined])), undefined]))
      }))
    },
    /** Records what a remote has acknowledged. */
    acknowledge: (remote: string, acks: ReadonlyArray<Effects.RemoteAck>, firstSequence: number) =>
      cells.change(Effect.map(nextOf(remote), (next = 0) =>
        [
          new Map([[`${remotePrefix}${remote}`, { next: acknowledged(Math.max(next, firstSequence), acks) }]]),
          undefined
        ] as const)),
    removeAll: cells.change(
      Effect.map(keys(""), (all) => [new Map(all.map((key) => [key, undefined])), undefined])
    )
  }
})
