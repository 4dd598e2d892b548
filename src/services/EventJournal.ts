/**
 * Effect's `EventJournal`, on a collection: the local journal of `effect/eventlog`.
 *
 * The entries, those still to be sent to each remote, and the sequence read from each remote are rows of one
 * collection. Every operation is one commit, which is durable before its entries are published. Ids, conflicts and
 * compaction are handled by Effect's journal in memory, which is filled from the collection when it is opened.
 *
 * @since 0.1.0
 */
import { Effect, Layer, Option, Stream } from "effect"
import * as Effects from "effect/eventlog/EventJournal"
import type { PersistClient } from "../client/PersistClient.ts"
import * as Codec from "../Codec.ts"
import * as Platform from "../Platform.ts"
import * as Cells from "./Cells.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The collection's name. Default `"event-journal"`. One journal at a time may use it. */
  readonly collection?: string | undefined
}

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

const failing = (method: string) =>
  Effect.mapError((cause: Cells.CellsError) => new Effects.EventJournalError({ method, cause }))

/** The sequence number after all those that are acknowledged without a gap. */
const acknowledged = (next: number, acks: ReadonlyArray<Effects.RemoteAck>): number => {
  const sequences = new Set(acks.map(({ sequence }) => sequence))
  let after = next
  while (sequences.has(after)) after++
  return after
}

/**
 * Makes the service on a collection, which is created if absent. All entries are kept in memory, as Effect's other
 * journals do when they are read.
 *
 * @see {@link layer}
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function*({ collection = "event-journal" }: Options = {}) {
  const cells = yield* Cells.make(collection, codec)
  const memory = yield* Effects.makeMemory
  /** In the journal in memory, all imports belong to one remote; the collection has the actual one. */
  const anyRemote = Effects.makeRemoteIdUnsafe()

  const keys = (prefix: string) => Stream.runCollect(Stream.map(cells.withPrefix(prefix), ([key]) => key))
  const unsentKey = (remote: string, key: string) => `${unsentPrefix}${remote}/${key.slice(entryPrefix.length)}`
  /** Rows for entries that are to be sent to all remotes but one. */
  const unsent = (entries: ReadonlyArray<Effects.Entry>, except?: string) =>
    Effect.map(
      keys(remotePrefix),
      (remotes) =>
        remotes.map((key) => key.slice(remotePrefix.length)).filter((remote) => remote !== except).flatMap((remote) =>
          entries.map(({ id }): readonly [string, Row] => [unsentKey(remote, entryKey(id)), null])
        )
    )
  const nextOf = (remote: string) =>
    Effect.map(cells.get(`${remotePrefix}${remote}`), (row) => (row as RemoteRow | null | undefined)?.next)
  /** Records a new remote: all entries are to be sent to it. */
  const ensure = Effect.fnUntraced(function*(remoteId: Effects.RemoteId) {
    const remote = hexOf(remoteId)
    yield* cells.change(Effect.gen(function*() {
      if ((yield* nextOf(remote)) !== undefined) return [new Map<string, Row>(), undefined] as const
      const all = yield* keys(entryPrefix)
      const rows = all.map((key): readonly [string, Row] => [unsentKey(remote, key), null])
      return [new Map<string, Row>([[`${remotePrefix}${remote}`, { next: 0 }], ...rows]), undefined] as const
    }))
    return remote
  })
  const keep = (entries: ReadonlyArray<Effects.Entry>) =>
    cells.change(
      Effect.map(unsent(entries), (rows) => [
        new Map<string, Row>([...entries.map((entry) => [entryKey(entry.id), rowOf(entry)] as const), ...rows]),
        undefined
      ])
    )
  const keepImported = (
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
    }))
  /** The state of a remote, which the journal in memory would store, is in the collection. */
  const forget = memory.withRemoteUncommited(anyRemote, () => Effect.void)

  const stored = yield* Stream.runCollect(cells.withPrefix(entryPrefix))
  yield* memory.writeFromRemote({
    remoteId: anyRemote,
    entries: stored.map(([key, row]) =>
      new Effects.RemoteEntry({ remoteSequence: 0, entry: entryOf(key, row as EntryRow) }, { disableChecks: true })
    ),
    effect: () => Effect.void
  })

  const writeMany: Effects.EventJournal["Service"]["writeMany"] = ({ effect, entries }) =>
    Effect.uninterruptibleMask((restore) =>
      memory.writeMany({
        entries,
        effect: (made) => Effect.tap(restore(effect(made)), failing("writeMany")(keep(made)))
      }).pipe(Effect.tap(forget))
    )

  return Effects.EventJournal.of({
    ...memory,
    writeMany,
    write: ({ effect, ...entry }) => writeMany({ entries: [entry], effect: ([made]) => effect(made) }),
    writeFromRemote: ({ compact, effect, entries, remoteId }) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.gen(function*() {
          const remote = yield* failing("writeFromRemote")(ensure(remoteId))
          let added: ReadonlyArray<Effects.RemoteEntry> = []
          const commit = Effect.suspend(() => failing("writeFromRemote")(keepImported(remote, entries, added)))
          return yield* memory.writeFromRemote({
            remoteId: anyRemote,
            entries,
            compact: (uncommitted) => {
              added = uncommitted
              const compacted = compact === undefined
                ? Effect.succeed(uncommitted.map(({ entry }) => entry))
                : restore(compact(uncommitted))
              // Without entries there is no effect to run, but the position in the remote has advanced.
              return Effect.tap(compacted, (left) => left.length === 0 ? commit : Effect.void)
            },
            effect: (batch) => Effect.andThen(restore(effect(batch)), commit)
          })
        })
      ),
    withRemoteUncommited: (remoteId, f) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.gen(function*() {
          const remote = yield* failing("withRemoteUncommited")(ensure(remoteId))
          const prefix = `${unsentPrefix}${remote}/`
          const unsentKeys = yield* failing("withRemoteUncommited")(keys(prefix))
          const found = yield* memory.entriesById(
            unsentKeys.map((key) => bytesOf(key.slice(prefix.length)) as Effects.EntryId)
          )
          const [first, ...others] = found.filter((entry) => entry !== undefined)
          if (first === undefined) return Option.none()
          const result = yield* restore(f([first, ...others]))
          const sent = new Map(unsentKeys.map((key) => [key, undefined]))
          yield* failing("withRemoteUncommited")(cells.change(Effect.succeed([sent, undefined])))
          return Option.some(result)
        })
      ),
    writeRemoteAcks: ({ acks, firstSequence = 0, remoteId }) =>
      Effect.flatMap(ensure(remoteId), (remote) =>
        cells.change(Effect.map(nextOf(remote), (next = 0) =>
          [
            new Map([[`${remotePrefix}${remote}`, { next: acknowledged(Math.max(next, firstSequence), acks) }]]),
            undefined
          ] as const))).pipe(failing("writeRemoteAcks")),
    nextRemoteSequence: (remoteId) =>
      Effect.flatMap(ensure(remoteId), nextOf).pipe(
        Effect.map((next = 0) => next),
        failing("nextRemoteSequence")
      ),
    destroy: cells.change(Effect.map(keys(""), (all) => [new Map(all.map((key) => [key, undefined])), undefined])).pipe(
      failing("destroy"),
      Effect.andThen(memory.destroy)
    )
  })
})

/**
 * Effect's `EventJournal` on a collection of the store: provide it to `EventLog.layer`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options?: Options
): Layer.Layer<Effects.EventJournal, Cells.CellsError | Effects.EventJournalError, PersistClient> =>
  Layer.effect(Effects.EventJournal, make(options))
