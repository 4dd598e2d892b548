import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { Readable, Writable } from "node:stream"
import * as Delivery from "../../src/cli/Delivery.ts"
import * as Output from "../../src/cli/Output.ts"
import { Indeterminate, Unavailable } from "../../src/PersistError.ts"
import * as Prng from "../../src/testing/Prng.ts"
import * as Update from "../../src/Update.ts"

type Row = Update.Update<number, null>

/** A store whose commands fail, or are applied without a reply. */
const unreliable = (random: Prng.Prng) => {
  const stored: Array<Row> = []
  let seqNo = 100
  let queued: Array<() => void> = []
  /** Whether the outcome of a commit is unknown: until somebody asks, none is appended behind it. */
  let isDoubtful = false
  /** What becomes of a commit. */
  const fate = () =>
    isDoubtful
      ? { isApplied: false, isHeard: true }
      : { isApplied: random.int(3) > 0, isHeard: random.int(3) > 0 }
  const commit = () => {
    const { isApplied, isHeard } = fate()
    const group = queued
    queued = []
    const operation = { operation: "appending", detail: "made to fail" }
    isDoubtful ||= !isHeard
    const failure = isHeard ? new Unavailable(operation) : new Indeterminate(operation)
    return { isApplied, exit: isApplied && isHeard ? undefined : failure, group }
  }
  const submit = (rows: Iterable<Row>) =>
    Effect.sync(() => {
      const reply = Deferred.makeUnsafe<number, Unavailable | Indeterminate>()
      const command = () => {
        if (current.isApplied) {
          seqNo++
          stored.push(...rows)
        }
        Deferred.doneUnsafe(reply, current.exit === undefined ? Exit.succeed(seqNo) : Exit.fail(current.exit))
      }
      queued.push(command)
      return reply
    })
  let current = { isApplied: true, exit: undefined as Unavailable | Indeterminate | undefined }
  const flush = Effect.sync(() => {
    const { exit, group, isApplied } = commit()
    current = { isApplied, exit }
    group.forEach((run) => run())
  })
  const append = (rows: Iterable<Row>) =>
    Effect.flatMap(submit(rows), (reply) => {
      // By now the store has found out itself.
      isDoubtful = false
      return Effect.andThen(flush, Deferred.await(reply))
    })
  const collection = {
    append,
    compareAndAppend: append,
    // Some share a commit.
    offer: (rows: Iterable<Row>) =>
      Effect.tap(submit(rows), () => Effect.suspend(() => random.int(4) === 0 ? flush : Effect.void)),
    snapshot: () =>
      Effect.sync(() => {
        isDoubtful = false
        return { seqNo }
      })
  }
  return { stored, flush, collection: collection as unknown as Parameters<typeof Delivery.make>[0] }
}

const silent = {
  input: Readable.from([]),
  output: new Writable({ write: (_, __, done) => done() }),
  error: new Writable({ write: (_, __, done) => done() })
}

describe("Delivery", () => {
  it.effect("everything is there once, whatever becomes of the commits on the way", () =>
    Effect.gen(function*() {
      for (let seed = 0; seed < 200; seed++) {
        const random = Prng.make(seed)
        const { collection, flush, stored } = unreliable(random)
        const work = Effect.gen(function*() {
          const delivery = yield* Delivery.make(collection)
          for (let row = 0; row < 200; row++) {
            if (row % 20 === 19) {
              yield* flush
              yield* delivery.seal([Update.insert(row, null, row)], { expected: row - 20, upper: row })
            } else yield* delivery.offer([Update.insert(row, null, row)])
          }
          yield* flush
          yield* delivery.drain
          return delivery.durable()
        })
        const fiber = yield* Effect.forkChild(Effect.provideService(work, Output.Channels, silent))
        yield* TestClock.adjust("30 minutes")
        assert.strictEqual(yield* Fiber.join(fiber), 200)
        assert.deepStrictEqual(stored.map(({ key }) => key).toSorted((a, b) => a - b), Array.from(Array(200).keys()))
      }
    }))

  it.effect("what is unavailable for long is reported, with what is durable", () =>
    Effect.gen(function*() {
      const { collection } = unreliable(Prng.make(1))
      const error = new Unavailable({ operation: "appending", detail: "made to fail" })
      const down = { ...collection, compareAndAppend: () => Effect.fail(error) } as typeof collection
      const work = Effect.gen(function*() {
        const delivery = yield* Delivery.make(down)
        const failure = yield* Effect.flip(delivery.seal([Update.insert(1, null, 0)], { expected: 0, upper: 1 }))
        return [failure._tag, delivery.durable()] as const
      })
      const fiber = yield* Effect.forkChild(Effect.provideService(work, Output.Channels, silent))
      yield* TestClock.adjust("10 minutes")
      assert.deepStrictEqual(yield* Fiber.join(fiber), ["Unavailable", 0])
    }))
})
