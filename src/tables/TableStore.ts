/**
 * The tables of one open store: which are open, how commits update their caches, and how transactions run.
 *
 * @internal
 */
import { Clock, type DateTime, Effect, Schedule } from "effect"
import { registeredOf } from "../client/CollectionWriter.ts"
import { type CollectionOptions, PersistClient, type RegisterError, storeOf } from "../client/PersistClient.ts"
import type { Change } from "../engine/Commit.ts"
import type { Timestamp } from "../Frontier.ts"
import { AsOfNotSealed, Conflict, TableMismatch } from "../PersistError.ts"
import * as Command from "../runtime/Command.ts"
import type { Store } from "../runtime/Store.ts"
import { type AnyRelation, Relation, type RowError } from "./Relation.ts"
import type { Turn, Turns } from "./Turns.ts"
import { type CommitError, type Contest, Workspace } from "./Workspace.ts"

/** What a transaction may fail with, beside the errors of its effect. */
export type TransactError = RowError | CommitError

/** Transactions with a conflict are retried at once, those on one key in turn. */
export const defaultRetry: Schedule.Schedule<unknown> = Schedule.recurs(1_000)

export interface TableStore {
  readonly client: PersistClient["Service"]
  readonly store: Store
  /** Declarations by table, while they are open. */
  readonly declared: Map<string, { readonly declaration: unknown; users: number }>
  readonly relation: <K, V>(
    name: string,
    options: CollectionOptions<K, V>,
    cacheBytes: number,
    /** The table, for one of its indexes. */
    table?: { readonly turns: Turns }
  ) => Effect.Effect<Relation<K, V>, RegisterError | TableMismatch>
  /** Begins an attempt of a transaction. Until it ends, the history that it may read is retained. */
  readonly begin: (contest: Contest) => Workspace
  readonly end: (workspace: Workspace) => void
  /** Runs one attempt after the other, until one commits. */
  readonly transact: <A, E, R>(
    body: (workspace: Workspace) => Effect.Effect<A, E, R>,
    /** The turn on what an attempt before it has lost on. */
    lostOn?: () => Turn
  ) => Effect.Effect<{ readonly value: A; readonly time: Timestamp }, E | TransactError, R>
  /** Completes a time, so that nothing is written at it or before it any more. */
  readonly complete: (table: string, time: Timestamp) => Effect.Effect<void, TransactError>
  /** The earliest time that a running transaction reads, or `Infinity`. */
  readonly firstRead: () => Timestamp
}

/** The store of a client, which is made once. */
const stores = new WeakMap<Store, TableStore>()

export const of: Effect.Effect<TableStore, never, PersistClient> = Effect.gen(function*() {
  const client = yield* PersistClient
  const store = storeOf(client)
  const known = stores.get(store)
  if (known !== undefined) return known
  const made = make(client, store)
  stores.set(store, made)
  return made
})

const make = (client: PersistClient["Service"], store: Store): TableStore => {
  const relations = new Map<number, AnyRelation>()
  const underWay = new Set<Workspace>()

  store.observe((changes: ReadonlyArray<Change> | undefined) => {
    if (changes === undefined) return relations.forEach((relation) => relation.missed())
    for (const change of changes) if (change._tag === "Write") relations.get(change.collection)?.folded(change.columns)
  })

  const relation: TableStore["relation"] = Effect.fnUntraced(function*(name, options, cacheBytes, table) {
    const collection = yield* client.createOrLoad(name, { ...options, isOnTimeline: true })
    const { id, isOnTimeline } = yield* registeredOf(collection.writer).registration
    if (!isOnTimeline) {
      const detail = "a collection of this name has times of its own; give the table another name"
      return yield* new TableMismatch({ table: name, detail })
    }
    const known = relations.get(id)
    if (known !== undefined) return known as typeof made
    const made = new Relation(id, options, collection, () => store.state().timeline.upper - 1, cacheBytes, table)
    relations.set(id, made)
    return made
  })

  const begin = (contest: Contest) => {
    const workspace = new Workspace(store, contest)
    contest.last = workspace
    underWay.add(workspace)
    return workspace
  }
  const end = (workspace: Workspace) => {
    workspace.end()
    underWay.delete(workspace)
  }

  return {
    client,
    store,
    declared: new Map(),
    relation,
    begin,
    end,
    transact: (body, lostOn) =>
      retried((contest) => {
        const workspace = begin(contest)
        const done = Effect.flatMap(
          body(workspace),
          (value) => Effect.map(workspace.commit, (time) => ({ value, time }))
        )
        return Effect.ensuring(done, Effect.sync(() => end(workspace)))
      }, { lostOn }),
    complete: (table, time) => complete(store, table, time),
    firstRead: () => {
      let first = Infinity
      for (const { readAt } of underWay) first = Math.min(first, readAt)
      return first
    }
  }
}

/** Runs an attempt, and retries it after each conflict, by a schedule that is made only when there is one. */
export const retried = <A, E, R>(
  attempt: (contest: Contest) => Effect.Effect<A, E, R>,
  { lostOn, schedule = defaultRetry }: {
    readonly schedule?: Schedule.Schedule<unknown> | undefined
    readonly lostOn?: (() => Turn) | undefined
  } = {}
): Effect.Effect<A, E, R> =>
  Effect.suspend(() => {
    const contest: Contest = { last: undefined, lostOn }
    const next = Effect.suspend(() => attempt(contest))
    const isLost = (error: E): boolean => {
      if (!isConflict(error)) return false
      contest.lostOn = contest.last?.turnAfter(error)
      return true
    }
    return Effect.catchIf(next, isConflict, (first) => {
      let lost: typeof first | undefined = first
      const again = Effect.suspend((): Effect.Effect<A, E, R> => {
        const known = lost
        lost = undefined
        return known === undefined ? next : Effect.fail(known)
      })
      return Effect.retry(again, { schedule, while: isLost })
    })
  })

export const isConflict = <E>(error: E): error is Extract<E, Conflict> => error instanceof Conflict

/** Completes a time, if it is not complete and not in the future. */
const complete = Effect.fnUntraced(function*(store: Store, table: string, time: Timestamp) {
  const { upper } = store.state().timeline
  if (time < upper) return
  const now = 1_000 * (yield* Clock.currentTimeMillis) + 999
  if (time > now) return yield* new AsOfNotSealed({ collection: table, asOf: time, upper })
  yield* Effect.catchTag(
    store.submit(new Command.Advance({ time })),
    "ReadOnly",
    () => Effect.fail(new AsOfNotSealed({ collection: table, asOf: time, upper }))
  )
})

/**
 * Microseconds. For a `DateTime`, the last microsecond of its millisecond, so that all writes in this millisecond are
 * included.
 */
export const timeOf = (time: Timestamp | DateTime.DateTime): Timestamp =>
  typeof time === "number" ? time : 1_000 * time.epochMilliseconds + 999
