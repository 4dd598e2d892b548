/**
 * Effect's `EventJournal`, on a table: the local journal of `effect/eventlog`.
 *
 * The entries, those still to be sent to each remote, and the sequence read from each remote are rows of one
 * table. Every operation is one commit, which is durable before its entries are published. Ids, conflicts and
 * compaction are handled by Effect's journal in memory, which is filled from the table when it is opened.
 *
 * @since 0.1.0
 */
import { Effect, Layer, Option } from "effect"
import * as Effects from "effect/eventlog/EventJournal"
import type { PersistClient } from "../client/PersistClient.ts"
import type * as Table from "../tables/Table.ts"
import type * as Backing from "./Backing.ts"
import * as JournalRows from "./JournalRows.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The table's name. Default `"event-journal"`. One journal at a time may use it. */
  readonly table?: string | undefined
}

const failing = (method: string) =>
  Effect.mapError((cause: Backing.BackingError) => new Effects.EventJournalError({ method, cause }))

/**
 * Makes the service on a table, which is created if absent. All entries are kept in memory, as Effect's other
 * journals do when they are read.
 *
 * @see {@link layer}
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function*({ table = "event-journal" }: Options = {}) {
  const rows = yield* JournalRows.make(table)
  const memory = yield* Effects.makeMemory
  /** In the journal in memory, all imports belong to one remote; the table has the actual one. */
  const anyRemote = Effects.makeRemoteIdUnsafe()
  /** The state of a remote, which the journal in memory would store, is in the table. */
  const forget = memory.withRemoteUncommited(anyRemote, () => Effect.void)

  const stored = yield* failing("make")(rows.entries)
  yield* memory.writeFromRemote({
    remoteId: anyRemote,
    entries: stored.map((entry) => new Effects.RemoteEntry({ remoteSequence: 0, entry }, { disableChecks: true })),
    effect: () => Effect.void
  })

  const writeMany: Effects.EventJournal["Service"]["writeMany"] = ({ effect, entries }) =>
    Effect.uninterruptibleMask((restore) =>
      memory.writeMany({
        entries,
        effect: (made) => Effect.tap(restore(effect(made)), failing("writeMany")(rows.keep(made)))
      }).pipe(Effect.tap(forget))
    )

  return Effects.EventJournal.of({
    ...memory,
    writeMany,
    write: ({ effect, ...entry }) => writeMany({ entries: [entry], effect: ([made]) => effect(made) }),
    writeFromRemote: ({ compact, effect, entries, remoteId }) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.gen(function*() {
          const remote = yield* failing("writeFromRemote")(rows.ensure(remoteId))
          let added: ReadonlyArray<Effects.RemoteEntry> = []
          const commit = Effect.suspend(() => failing("writeFromRemote")(rows.keepImported(remote, entries, added)))
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
          const remote = yield* failing("withRemoteUncommited")(rows.ensure(remoteId))
          const { ids, sent } = yield* failing("withRemoteUncommited")(rows.unsentTo(remote))
          const found = yield* memory.entriesById(ids)
          const [first, ...others] = found.filter((entry) => entry !== undefined)
          if (first === undefined) return Option.none()
          const result = yield* restore(f([first, ...others]))
          yield* failing("withRemoteUncommited")(sent)
          return Option.some(result)
        })
      ),
    writeRemoteAcks: ({ acks, firstSequence = 0, remoteId }) =>
      Effect.flatMap(rows.ensure(remoteId), (remote) => rows.acknowledge(remote, acks, firstSequence)).pipe(
        failing("writeRemoteAcks")
      ),
    nextRemoteSequence: (remoteId) =>
      Effect.flatMap(rows.ensure(remoteId), rows.nextOf).pipe(
        Effect.map((next = 0) => next),
        failing("nextRemoteSequence")
      ),
    destroy: rows.removeAll.pipe(failing("destroy"), Effect.andThen(memory.destroy))
  })
})

/**
 * Effect's `EventJournal` on a table of the store: provide it to `EventLog.layer`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options?: Options
): Layer.Layer<Effects.EventJournal, Table.OpenError | Effects.EventJournalError, PersistClient> =>
  Layer.effect(Effects.EventJournal, make(options))
