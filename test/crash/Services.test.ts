import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Schedule, Schema, Scope } from "effect"
import { PersistedQueue } from "effect/persistence"
import * as PersistClient from "../../src/client/PersistClient.ts"
import * as Durable from "../../src/services/PersistedQueue.ts"
import type * as Faulty from "../utils/Faulty.ts"
import * as Store from "../utils/Store.ts"
import * as Struck from "./Struck.ts"

// Every operation of storage that a persisted queue asks for is a place where something goes wrong. TIDEMARK_CRASHES=all:
// more elements.

const isLong = process.env["TIDEMARK_CRASHES"] === "all"
const count = isLong ? 12 : 2

const withQueue = <A, E>(
  storage: Faulty.Storage,
  program: (queue: PersistedQueue.PersistedQueue<number>) => Effect.Effect<A, E, PersistClient.PersistClient>
) =>
  Effect.flatMap(
    PersistedQueue.make({ name: "q", schema: Schema.Int, retrySchedule: Schedule.spaced(0) }),
    program
  ).pipe(Effect.provide(
    PersistedQueue.layer.pipe(
      Layer.provide(Layer.fresh(Durable.layerStore())),
      Layer.provideMerge(PersistClient.layer(Store.tiny)),
      Layer.provide(Layer.succeedContext(storage))
    )
  ))

/** Offers and takes in turn. What is left is taken by later processes, to its end. */
const workload = (mayRepeat: boolean) => (): Struck.Subject => {
  const asked = new Set<number>()
  const offered = new Set<number>()
  const delivered = new Set<number>()
  const processed = new Set<number>()
  const takeOne = (queue: PersistedQueue.PersistedQueue<number>) =>
    Effect.tap(
      queue.take((n) =>
        Effect.sync(() => {
          assert.isTrue(asked.has(n), "nothing is delivered that was not offered")
          assert.isTrue(mayRepeat || !processed.has(n), "nothing is delivered again after it was processed")
          delivered.add(n)
          return n
        })
      ),
      (n) => Effect.sync(() => processed.add(n))
    )
  const offerOne = (queue: PersistedQueue.PersistedQueue<number>, n: number) => {
    asked.add(n)
    return Effect.tap(queue.offer(n, { id: String(n) }), () => Effect.sync(() => offered.add(n)))
  }
  const run = (storage: Faulty.Storage) =>
    withQueue(storage, (queue) =>
      Effect.gen(function*() {
        const client = yield* PersistClient.PersistClient
        for (let n = 0; n < count; n++) {
          yield* Effect.all([offerOne(queue, 2 * n), offerOne(queue, 2 * n + 1)], { concurrency: "unbounded" })
          yield* takeOne(queue)
          yield* Effect.ignore(client.maintain)
        }
      }))
  const drain = (storage: Faulty.Storage, last: number) =>
    withQueue(storage, (queue) =>
      Effect.gen(function*() {
        yield* offerOne(queue, last)
        while ((yield* takeOne(queue)) !== last);
        for (const n of offered) assert.isTrue(delivered.has(n), `what was offered is delivered: ${n}`)
      }))
  return {
    run: (storage, scope) => Scope.provide(run(storage), scope),
    judge: (opening) =>
      Store.inScope(
        Effect.forEach([1_000, 1_001], (last) => Effect.flatMap(opening, (storage) => drain(storage, last)))
      )
  }
}

const strikeAll = (
  mayRepeat: boolean,
  faultsOf: (operation: Struck.Operation, at: number) => ReadonlyArray<Struck.Fault>
) => Effect.map(Struck.strikeAll(workload(mayRepeat), faultsOf), (found) => assert.isAbove(found, 15))

describe("crash enumeration of a persisted queue in memory", { timeout: isLong ? 1_800_000 : 600_000 }, () => {
  it.live("a crash before any operation", () => strikeAll(false, (_, at) => [{ at, kind: "crash before", kept: 0 }]))

  it.live("a crash after any operation that changes something", () =>
    strikeAll(false, ({ name }, at) => Struck.changes.has(name) ? [{ at, kind: "crash after", kept: 0 }] : []))

  it.live("any operation fails once: what was processed may be delivered again", () =>
    strikeAll(true, (_, at) => [{ at, kind: "unavailable", kept: 0 }]))
})
