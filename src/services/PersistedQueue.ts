/**
 * The store of Effect's `PersistedQueue`, on a table.
 *
 * An element is durable when it is offered, and an attempt is counted, durably, before the element is delivered. An
 * element that is being processed is claimed in memory: one process at a time writes to a store, so that the claims of
 * a process that has ended are gone when the next one opens the store, and its elements are delivered again at once.
 *
 * @since 0.1.0
 */
import { Clock, Duration, Effect, type Exit, Latch, Layer, Option, type Schema, Scope, Semaphore, Stream } from "effect"
import * as Effects from "effect/persistence/PersistedQueue"
import type { PersistClient } from "../client/PersistClient.ts"
import * as Table from "../tables/Table.ts"
import * as Backing from "./Backing.ts"
import * as Elements from "./Elements.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The table's name. Default `"persisted-queue"`. It has the elements of all queues. */
  readonly table?: string | undefined
}

/** What the fibers that take from one queue share. */
interface Lane {
  /** Held by the one that looks for the next element. */
  readonly lookout: Semaphore.Semaphore
  /** Open when there may be another element. */
  readonly changed: Latch.Latch
  /** Ids of elements that are being processed. */
  readonly claimed: Set<string>
}

/** The lanes of each table, by queue. */
const lanes = new WeakMap<object, Map<string, Lane>>()

const makeLane = (): Lane => ({
  lookout: Semaphore.makeUnsafe(1),
  changed: Latch.makeUnsafe(false),
  claimed: new Set()
})

type Elements = Table.Indexed<Elements.Key, Elements.Stored, Elements.Indexes>
type Store = Effects.PersistedQueueStore["Service"]
type TakeOptions = Parameters<Store["take"]>[0]

const failing = (what: string) =>
  Effect.mapError((cause: Backing.BackingError) =>
    new Effects.PersistedQueueError({ message: `${what}: ${cause.message}`, cause })
  )

/** The millisecond of the store: by the clock, or by the last commit if the clock was set back since then. */
const nowIn = (table: Elements) =>
  Effect.zipWith(Clock.currentTimeMillis, table.now, (clock, last) => Math.max(clock, Math.floor(last / 1000)))

const offering = (table: Elements): Store["offer"] => {
  let last = 0
  return ({ delay, element, id, name }) =>
    Effect.gen(function*() {
      const visibleAt = (yield* nowIn(table)) + (delay === undefined ? 0 : Duration.toMillis(delay))
      last = Math.max(last, yield* table.now) + 1
      const added: Elements.Pending = {
        state: "pending",
        element: element as Schema.Json,
        attempts: 0,
        visibleAt,
        order: last
      }
      yield* table.modify([name, id], Option.orElseSome(() => added))
    }).pipe(failing("an element cannot be offered"))
}

/** The first element of a queue that is not being processed. */
const nextOf = (table: Elements, lane: Lane, queue: string) =>
  Stream.runHead(Stream.filter(table.pending([queue]), ([[, id]]) => !lane.claimed.has(id)))

/** Waits until an element is due. */
const awaiting = Effect.fnUntraced(function*(table: Elements, lane: Lane, queue: string) {
  while (true) {
    lane.changed.closeUnsafe()
    const next = Option.getOrUndefined(yield* nextOf(table, lane, queue))
    if (next === undefined) {
      yield* lane.changed.await
      continue
    }
    const [[, id], row] = next
    if (row.state !== "pending") continue
    const now = yield* nowIn(table)
    if (row.visibleAt <= now) return id
    yield* Effect.raceFirst(lane.changed.await, Effect.sleep(row.visibleAt - now))
  }
})

/** Ends a claim, whatever became of the element. */
const release = (lane: Lane, id: string) =>
  Effect.sync(() => {
    lane.claimed.delete(id)
    lane.changed.openUnsafe()
  })

/**
 * Counts a delivery of a claimed element, and returns it. Nothing is returned if it was settled before it was claimed,
 * or if it has no attempts left because a process ended in the last one.
 */
const counted = Effect.fnUntraced(function*(table: Elements, key: Elements.Key, maxAttempts: number) {
  const now = yield* nowIn(table)
  const counting = (row: Elements.Stored): Elements.Stored => {
    if (row.state !== "pending" || row.visibleAt > now) return row
    return row.attempts >= maxAttempts ? Elements.failed(row, now) : { ...row, attempts: row.attempts + 1 }
  }
  let delivered: Elements.Pending | undefined
  yield* table.modify(
    key,
    Option.map((row) => {
      const next = counting(row)
      delivered = next !== row && next.state === "pending" ? next : undefined
      return next
    })
  )
  return delivered
})

/** Records what became of a delivered element. */
const settling = Effect.fnUntraced(function*(
  table: Elements,
  key: Elements.Key,
  row: Elements.Pending,
  { maxAttempts, retryDelay }: TakeOptions,
  exit: Exit.Exit<unknown, unknown>
) {
  const outcome = Elements.outcomeOf(exit, row, maxAttempts)
  const delay = outcome === "later" ? Duration.toMillis(yield* retryDelay(row.attempts)) : 0
  const at = yield* nowIn(table)
  const next: Record<typeof outcome, () => Elements.Stored> = {
    completed: () => ({ state: "completed", at, attempts: row.attempts }),
    failed: () => Elements.failed(row, at),
    again: () => ({ ...row, attempts: row.attempts - 1 }),
    later: () => ({ ...row, visibleAt: at + delay })
  }
  yield* table.modify(key, Option.map(next[outcome]))
})

const taking = (table: Elements, laneOf: (queue: string) => Lane): Store["take"] =>
  Effect.fnUntraced(function*(options) {
    const scope = yield* Effect.scope
    const lane = laneOf(options.name)
    const claim = Effect.fnUntraced(function*(id: string) {
      lane.claimed.add(id)
      const key: Elements.Key = [options.name, id]
      const row = yield* Effect.onError(counted(table, key, options.maxAttempts), () => release(lane, id))
      if (row === undefined) return yield* Effect.as(release(lane, id), undefined)
      const settle = (exit: Exit.Exit<unknown, unknown>) =>
        settling(table, key, row, options, exit).pipe(
          Effect.catch((error) =>
            Effect.logWarning("what became of an element of a queue was not recorded: it is delivered again", error)
          ),
          Effect.ensuring(release(lane, id))
        )
      yield* Scope.addFinalizerExit(scope, settle)
      return { id, attempts: row.attempts, element: row.element }
    })
    const next = Effect.gen(function*() {
      while (true) {
        const element = yield* Effect.uninterruptible(claim(yield* awaiting(table, lane, options.name)))
        if (element !== undefined) return element
      }
    })
    return yield* failing("no element can be taken")(lane.lookout.withPermit(next))
  })

/** Elements that are removed in one transaction. */
const together = 256

const cleaning = (table: Elements): Store["cleanup"] => {
  const remove = Effect.fnUntraced(function*(state: Elements.Settled["state"], until: number) {
    while (true) {
      const found = yield* table.settled([state]).pipe(
        Stream.takeWhile(([, row]) => row.state !== "pending" && row.at <= until),
        Stream.take(together),
        Stream.runCollect
      )
      yield* Table.transaction(Effect.forEach(found, ([key]) => table.remove(key), { discard: true }))
      if (found.length < together) return
    }
  })
  return ({ failedTimeToLive, timeToLive }) =>
    Effect.gen(function*() {
      const now = yield* nowIn(table)
      yield* remove("completed", now - Duration.toMillis(timeToLive))
      if (failedTimeToLive !== undefined) yield* remove("failed", now - Duration.toMillis(failedTimeToLive))
    }).pipe(failing("old elements cannot be removed"))
}

/**
 * Makes the store on a table, which is created if absent.
 *
 * @see {@link layerStore}
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeStore = Effect.fnUntraced(function*({ table: name = "persisted-queue" }: Options = {}) {
  const { relation, table } = yield* Backing.open(name, Elements.declaration)
  const known = lanes.get(relation) ?? new Map<string, Lane>()
  lanes.set(relation, known)
  yield* Effect.acquireRelease(
    Effect.sync(() => relation.watch(undefined, () => known.forEach(({ changed }) => changed.openUnsafe()))),
    (stop) => Effect.sync(stop)
  )
  const laneOf = (queue: string): Lane => {
    const lane = known.get(queue) ?? makeLane()
    known.set(queue, lane)
    return lane
  }
  return Effects.PersistedQueueStore.of({
    offer: offering(table),
    take: taking(table, laneOf),
    cleanup: cleaning(table)
  })
})

/**
 * The store of Effect's `PersistedQueue` on a table: provide it to `PersistedQueue.layer`. An offer inside
 * `Table.transaction` is part of the transaction.
 *
 * @example
 * ```ts
 * import { Effect, Layer, Schema } from "effect"
 * import { PersistedQueue } from "effect/persistence"
 * import { MemoryStorage, PersistClient } from "tidemark"
 * import { PersistedQueue as Durable } from "tidemark/services"
 *
 * const program = Effect.gen(function*() {
 *   const mails = yield* PersistedQueue.make({ name: "mails", schema: Schema.String })
 *   yield* mails.offer("hello", { id: "m-1" })
 *   yield* mails.offer("hello", { id: "m-1" }) // the same one
 *   return yield* mails.take((text, { attempts }) => Effect.succeed([text, attempts]))
 * })
 *
 * const store = PersistClient.layer().pipe(Layer.provide(MemoryStorage.layer))
 * const queues = PersistedQueue.layer.pipe(Layer.provide(Durable.layerStore()), Layer.provide(store))
 * await Effect.runPromise(Effect.provide(program, queues)) // ["hello", 1]
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerStore = (
  options?: Options
): Layer.Layer<Effects.PersistedQueueStore, Table.OpenError, PersistClient> =>
  Layer.effect(Effects.PersistedQueueStore, makeStore(options))
