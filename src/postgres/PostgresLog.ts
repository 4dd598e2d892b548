/**
 * The log in Postgres: acquiring it, reading it, noticing that it grew.
 *
 * One row has the last epoch and the bounds of the entries. An append is one statement that moves the upper if the
 * epoch is still that of the writer. The row serialises concurrent writers.
 *
 * @internal
 */
import { Effect, PubSub, Random, type Scope, Stream } from "effect"
import { Corrupt, Fenced, type StorageError } from "../PersistError.ts"
import type { Bounds, Log } from "../storage/Log.ts"
import type * as Polling from "../storage/Polling.ts"
import type { Database, Row } from "./Database.ts"
import * as Entries from "./Entries.ts"
import * as Hints from "./Hints.ts"
import * as PostgresWriter from "./PostgresWriter.ts"

export interface Options {
  readonly poll: Polling.Options
}

export const make: (database: Database, options: Options) => Effect.Effect<Log["Service"], never, Scope.Scope> = Effect
  .fnUntraced(function*(database, { poll }) {
    const { change, check, location, prepare, tables } = database
    const opener = `${yield* Random.nextInt} ${yield* Random.nextInt}`
    const ticks = yield* Effect.acquireRelease(PubSub.sliding<void>(1), PubSub.shutdown)
    let claims = 0

    const bounds = Effect.andThen(check, Effect.map(rowOf(database), ({ lower, upper }): Bounds => ({ lower, upper })))

    /**
     * Raises the epoch, once for each claim, also if it is sent several times. With `after`, only if that is the epoch.
     */
    const raise = Effect.fnUntraced(function*(after: number | undefined) {
      const operation = "acquiring the log"
      const head = "epoch, claim, lower, upper"
      const isMine = "claim <> $1 AND ($2::bigint < 0 OR epoch = $2)"
      for (;;) {
        const claim = `${opener} ${claims}`
        const [raised] = yield* change(
          operation,
          `UPDATE ${tables.log} SET epoch = epoch + 1, claim = $1 WHERE ${isMine} RETURNING ${head}`,
          [claim, BigInt(after ?? -1)]
        )
        const found = raised === undefined ? yield* rowOf(database) : headOf(raised)
        // Otherwise a previous attempt has succeeded unnoticed, and another writer has acquired the log since.
        if (found.claim === claim) return found
        if (after !== undefined && found.epoch !== after) {
          return yield* new Fenced({ epoch: after, current: found.epoch })
        }
        claims++
      }
    })

    const acquire = Effect.fnUntraced(function*(after: number | undefined) {
      yield* prepare
      const { epoch, lower, upper } = yield* raise(after)
      // A claim of unknown outcome is repeated next time: the epoch may have been raised for it.
      claims++
      const notify = yield* Hints.notifier(database)
      const onAppend = (): void => {
        PubSub.publishUnsafe(ticks, undefined)
        notify()
      }
      onAppend()
      return yield* PostgresWriter.make({ database, epoch, bounds: { lower, upper }, onAppend })
    })

    return {
      location,
      acquire: acquire(undefined),
      acquireAfter: acquire,
      bounds,
      read: (from) =>
        Stream.unwrap(Effect.as(check, Entries.read(database, from))).pipe(
          Stream.mapEffect(({ entry, problem }) => problem === undefined ? Effect.succeed(entry) : Effect.fail(problem))
        ),
      changes: Stream.merge(
        Stream.fromPubSub(ticks),
        Hints.changes(database, Effect.map(bounds, ({ upper }) => upper), poll)
      ),
      verify: Stream.unwrap(Effect.map(bounds, ({ lower }) => Entries.read(database, lower))).pipe(
        Stream.map(({ problem }) => problem),
        Stream.filter((problem) => problem !== undefined),
        Stream.catchTag(["Corrupt", "UnsupportedFormat"], (problem) => Stream.make(problem))
      )
    }
  })

interface Head extends Bounds {
  readonly epoch: number
  readonly claim: string
}

const headOf = (row: Row): Head => ({
  epoch: Number(row["epoch"]),
  claim: String(row["claim"]),
  lower: Number(row["lower"]),
  upper: Number(row["upper"])
})

const rowOf = ({ location, read, tables }: Database): Effect.Effect<Head, StorageError> =>
  Effect.flatMap(
    read("reading the log", `SELECT epoch, claim, lower, upper FROM ${tables.log}`),
    ([row]) =>
      row === undefined
        ? Effect.fail(new Corrupt({ location, offset: 0, detail: "the table log has no row" }))
        : Effect.succeed(headOf(row))
  )
