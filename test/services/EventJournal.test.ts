/**
 * Effect's own tests of its event journal, in this project's words, each against Effect's journal in memory as well; and
 * random programs in which the two have to agree, while one of them is opened again and again.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Option, PubSub, Scope } from "effect"
import { EventJournal } from "effect/eventlog"
import * as PersistClient from "../../src/client/PersistClient.ts"
import * as Durable from "../../src/services/EventJournal.ts"
import * as MemoryStorage from "../../src/storage/MemoryStorage.ts"
import * as Prng from "../../src/testing/Prng.ts"
import * as Store from "../utils/Store.ts"

type Journal = EventJournal.EventJournal["Service"]

const on = (client: PersistClient.PersistClient["Service"]) =>
  Effect.provideService(Durable.make(), PersistClient.PersistClient, client)

const durable = Effect.flatMap(Effect.flatMap(Store.memory, (storage) => Store.client(storage)), on)

const text = (payload: Uint8Array): string => new TextDecoder().decode(payload)

const entry = (msecs: number, label = "") =>
  new EventJournal.Entry({
    id: EventJournal.makeEntryIdUnsafe({ msecs }),
    event: "Changed",
    primaryKey: "key",
    payload: new TextEncoder().encode(label)
  }, { disableChecks: true })

const imported = (entries: ReadonlyArray<EventJournal.Entry>, from = 0) =>
  entries.map((each, i) => new EventJournal.RemoteEntry({ remoteSequence: from + i, entry: each }))

const local = (label: string) => ({ event: "Changed", primaryKey: "key", payload: new TextEncoder().encode(label) })

const ids = (entries: ReadonlyArray<EventJournal.Entry>) => entries.map(({ idString }) => idString)

const implementations: ReadonlyArray<readonly [name: string, make: Effect.Effect<Journal, unknown, Scope.Scope>]> = [
  ["of Effect, in memory", EventJournal.makeMemory],
  ["on a table", durable]
]

describe.each(implementations)("EventJournal %s", (_, make) => {
  it.effect("records entries, and publishes them once their effect has succeeded", () =>
    Effect.gen(function*() {
      const journal = yield* make
      const changes = yield* journal.changes
      let created = 0
      const effect = (made: EventJournal.Entry) =>
        Effect.gen(function*() {
          created = made.createdAtMillis
          return (yield* journal.entries).length
        })
      assert.strictEqual(yield* journal.write({ ...local("1"), effect }), 0, "it is not there yet")
      const [only, ...others] = yield* journal.entries
      assert.deepInclude(only, local("1"))
      assert.isEmpty(others)
      assert.strictEqual(only?.createdAtMillis, created)
      assert.deepStrictEqual(yield* PubSub.take(changes), only)
      assert.strictEqual(yield* Effect.flip(journal.write({ ...local("2"), effect: () => Effect.fail("no") })), "no")
      assert.strictEqual((yield* journal.entries).length, 1)
      assert.deepStrictEqual(
        ids((yield* journal.entriesById([only!.id, entry(1).id])).filter((it) => it !== undefined)),
        [
          only!.idString
        ]
      )
    }))

  it.effect("commits several together, with ascending ids", () =>
    Effect.gen(function*() {
      const journal = yield* make
      const effect = (made: ReadonlyArray<EventJournal.Entry>) => Effect.succeed(ids(made))
      const made = yield* journal.writeMany({ entries: [local("1"), local("2"), local("3")], effect })
      assert.deepStrictEqual(made, made.toSorted())
      assert.deepStrictEqual(ids(yield* journal.entries), made)
    }))

  it.effect("relays an imported entry to other remotes, and not to its own", () =>
    Effect.gen(function*() {
      const journal = yield* make
      const source = EventJournal.makeRemoteIdUnsafe()
      const target = EventJournal.makeRemoteIdUnsafe()
      yield* journal.nextRemoteSequence(target)
      const one = entry(1_000)
      yield* journal.writeFromRemote({ remoteId: source, entries: imported([one]), effect: () => Effect.void })
      const failed = yield* Effect.flip(journal.withRemoteUncommited(target, () => Effect.fail("offline")))
      assert.strictEqual(failed, "offline")
      const sent = yield* journal.withRemoteUncommited(target, (entries) => Effect.succeed(ids(entries)))
      assert.deepStrictEqual(sent, Option.some([one.idString]))
      const unexpected = () => Effect.die("there is nothing to send")
      assert.isTrue(Option.isNone(yield* journal.withRemoteUncommited(target, unexpected)))
      assert.isTrue(Option.isNone(yield* journal.withRemoteUncommited(source, unexpected)))
    }))

  it.effect("knows the next sequence of a remote", () =>
    Effect.gen(function*() {
      const journal = yield* make
      const remoteId = EventJournal.makeRemoteIdUnsafe()
      const one = entry(1_000)
      const effect = () => Effect.void
      assert.strictEqual(yield* journal.nextRemoteSequence(remoteId), 0)
      yield* journal.writeFromRemote({ remoteId, entries: imported([one]), effect })
      assert.strictEqual(yield* journal.nextRemoteSequence(remoteId), 1)
      const { duplicateEntries } = yield* journal.writeFromRemote({ remoteId, entries: imported([one], 5), effect })
      assert.deepStrictEqual(ids(duplicateEntries), [one.idString])
      assert.strictEqual(yield* journal.nextRemoteSequence(remoteId), 6)
      const ack = (sequence: number) => ({ entryId: one.id, sequence })
      yield* journal.writeRemoteAcks({ remoteId, acks: [ack(9), ack(7), ack(6)] })
      assert.strictEqual(yield* journal.nextRemoteSequence(remoteId), 8, "8 is missing")
      yield* journal.writeRemoteAcks({ remoteId, acks: [], firstSequence: 20 })
      assert.strictEqual(yield* journal.nextRemoteSequence(remoteId), 20)
    }))

  it.effect("reports the newer entries that conflict, and imports nothing of a batch whose effect fails", () =>
    Effect.gen(function*() {
      const journal = yield* make
      const remoteId = EventJournal.makeRemoteIdUnsafe()
      const newer = entry(2_000)
      yield* journal.writeFromRemote({ remoteId, entries: imported([newer]), effect: () => Effect.void })
      const older = entry(1_000)
      const cause = new EventJournal.EventJournalError({ method: "test", cause: "no" })
      const seen: Array<ReadonlyArray<string>> = []
      const attempt = (result: Effect.Effect<void, EventJournal.EventJournalError>) =>
        journal.writeFromRemote({
          remoteId,
          entries: imported([older], 1),
          effect: (batch) =>
            Effect.suspend(() => {
              for (const { conflicts } of batch) seen.push(ids(conflicts))
              return result
            })
        })
      yield* Effect.flip(attempt(Effect.fail(cause)))
      assert.deepStrictEqual(ids(yield* journal.entries), [newer.idString])
      assert.strictEqual(yield* journal.nextRemoteSequence(remoteId), 1)
      yield* attempt(Effect.void)
      assert.deepStrictEqual(seen, [[newer.idString], [newer.idString]])
      assert.deepStrictEqual(ids(yield* journal.entries), [older.idString, newer.idString])
    }))

  it.effect("hands what is new to the compactor, and its outcome to the effect", () =>
    Effect.gen(function*() {
      const journal = yield* make
      const remoteId = EventJournal.makeRemoteIdUnsafe()
      const [one, two] = [entry(1_000), entry(2_000)]
      const run = (entries: ReadonlyArray<EventJournal.RemoteEntry>, left: ReadonlyArray<EventJournal.Entry>) =>
        Effect.gen(function*() {
          const seen: Array<string> = []
          yield* journal.writeFromRemote({
            remoteId,
            entries,
            compact: () => Effect.succeed(left),
            effect: (batch) => Effect.sync(() => void seen.push(...ids(batch.map((each) => each.entry))))
          })
          return seen
        })
      assert.deepStrictEqual(yield* run(imported([one, two]), [two]), [two.idString])
      assert.deepStrictEqual(yield* run(imported([entry(3_000)], 2), []), [])
      assert.strictEqual((yield* journal.entries).length, 3)
      assert.strictEqual(yield* journal.nextRemoteSequence(remoteId), 3)
    }))

  it.effect("forgets everything when it is destroyed", () =>
    Effect.gen(function*() {
      const journal = yield* make
      const remoteId = EventJournal.makeRemoteIdUnsafe()
      yield* journal.writeFromRemote({ remoteId, entries: imported([entry(1)]), effect: () => Effect.void })
      yield* journal.destroy
      assert.isEmpty(yield* journal.entries)
      assert.strictEqual(yield* journal.nextRemoteSequence(remoteId), 0)
    }))
})

describe("an EventJournal on a collection", () => {
  it.effect.each([1, 2, 3, 4, 5, 6])(
    "seed %i: agrees with Effect's in memory, however often it is opened again",
    (seed) =>
      Effect.gen(function*() {
        const random = Prng.make(seed)
        const medium = yield* MemoryStorage.make
        const memory = yield* EventJournal.makeMemory
        let scope = yield* Scope.make()
        const open = Effect.gen(function*() {
          const client = yield* Effect.flatMap(Store.open(medium), (storage) => Store.client(storage))
          return yield* on(client)
        })
        let journal = yield* Scope.provide(open, scope)
        const remotes = Array.from({ length: 3 }, () => EventJournal.makeRemoteIdUnsafe())
        const known: Array<EventJournal.Entry> = []
        const labels = (entries: ReadonlyArray<EventJournal.Entry>) => entries.map(({ payload }) => text(payload))

        /** What a journal answers to an operation, without ids that are its own. */
        const operations: ReadonlyArray<(label: string) => (to: Journal) => Effect.Effect<unknown, unknown>> = [
          (label) => (to) => to.write({ ...local(label), effect: () => Effect.void }),
          (label) => (to) => Effect.flip(to.write({ ...local(label), effect: () => Effect.fail("no") })),
          (label) => {
            const fresh = Array.from(
              { length: 1 + random.int(3) },
              (_, i) => entry(1 + random.int(1_000), `${label}.${i}`)
            )
            known.push(...fresh)
            const entries = imported([...fresh, random.pick(known)], random.int(20))
            const remoteId = random.pick(remotes)
            const fails = random.chance(0.2)
            return (to) =>
              Effect.gen(function*() {
                const delivered: Array<unknown> = []
                const effect: Parameters<Journal["writeFromRemote"]>[0]["effect"] = (batch) => {
                  for (const each of batch) delivered.push(labels([each.entry]), labels(each.conflicts))
                  return fails
                    ? Effect.fail(new EventJournal.EventJournalError({ method: "", cause: "" }))
                    : Effect.void
                }
                const exit = yield* Effect.exit(to.writeFromRemote({ remoteId, entries, effect }))
                return [delivered, Exit.isSuccess(exit) ? labels(exit.value.duplicateEntries) : "failed"]
              })
          },
          () => {
            const remoteId = random.pick(remotes)
            const fails = random.chance(0.3)
            return (to) =>
              Effect.exit(to.withRemoteUncommited(remoteId, (entries) =>
                fails ? Effect.fail(labels(entries)) : Effect.succeed(labels(entries))))
          },
          () => {
            const remoteId = random.pick(remotes)
            const acks = Array.from(
              { length: random.int(4) },
              () => ({ entryId: entry(1).id, sequence: random.int(20) })
            )
            return (to) =>
              Effect.andThen(to.writeRemoteAcks({ remoteId, acks }), to.nextRemoteSequence(remoteId))
          },
          () => {
            const remoteId = random.pick(remotes)
            return (to) => to.nextRemoteSequence(remoteId)
          },
          () => (to) => Effect.map(to.entries, labels)
        ]
        for (let round = 0; round < 60; round++) {
          if (random.chance(0.15)) {
            yield* Scope.close(scope, Exit.void)
            scope = yield* Scope.make()
            journal = yield* Scope.provide(open, scope)
          }
          const operation = random.pick(operations)(`${round}`)
          const expected = yield* operation(memory)
          assert.deepStrictEqual(yield* operation(journal), expected, `seed ${seed}, round ${round}`)
        }
        yield* Scope.close(scope, Exit.void)
      })
  )
})
