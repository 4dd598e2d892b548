import { assert, describe, it } from "@effect/vitest"
import { Cause, Context, Effect, Exit, Stream } from "effect"
import { join } from "node:path"
import { Log } from "../../src/storage/Log.ts"
import * as Prng from "../../src/testing/Prng.ts"
import { directory, layerOf } from "../node/Temporary.ts"
import * as Store from "../utils/Store.ts"
import * as Images from "./Images.ts"
import * as Judge from "./Judge.ts"
import { isLong } from "./PowerFailures.ts"
import * as PowerFailures from "./PowerFailures.ts"
import * as Recorder from "./Recorder.ts"
import * as Workload from "./Workload.ts"

// The reference workload on files: what it does to them is recorded, and the directory rebuilt as a power failure after
// every single operation may have left it. TIDEMARK_CRASHES=all: a longer workload, and more of what may be left.

/** A life of the store: what is there when it begins, with the account of how that came about, and what is done then. */
interface Life {
  readonly initial: Images.Image
  readonly groups: ReadonlyArray<Workload.Group>
  readonly account: Workload.Account
}

const first: Life = { initial: new Map(), groups: Workload.make(isLong ? 8 : 3), account: [] }

/** What is done in a life after a crash: little, as it is about the recovery. */
const after = (initial: Images.Image, account: Workload.Account): Life => {
  const before = first.groups.slice(0, account.length)
  return { initial, account, groups: [...before, ...Workload.make(1)] }
}

/** Judges all that a power failure in a life may leave. Replies tell what an image may hold, and not what it does. */
const judgeAll = ({ account, groups, initial }: Life, events: ReadonlyArray<Recorder.Event>) => {
  const held = new Map<string, Workload.Contents>()
  return PowerFailures.judgeAll({
    initial,
    events,
    note: account,
    survivals: PowerFailures.survivals,
    judge: Effect.fnUntraced(function*(storage, note, image) {
      const contents = held.get(image) ?? (yield* Judge.open(storage))
      held.set(image, contents)
      Judge.recognise(contents, Workload.allowed(groups, note))
    })
  })
}

/** Every event of a life, and the replies in between. */
const recorded = ({ account, groups, initial }: Life) =>
  Effect.gen(function*() {
    const parent = yield* directory
    Images.write(initial, parent)
    return yield* Store.inScope(Effect.gen(function*() {
      const { events } = yield* Recorder.record(parent)
      const delivered: Workload.Account = []
      const client = yield* Store.client(yield* PowerFailures.open(parent), Store.tiny)
      yield* Workload.run(
        client,
        groups.slice(account.length),
        delivered,
        () => events.push({ _tag: "note", note: [...account, ...structuredClone(delivered)] })
      )
      yield* client.stop
      return events
    }))
  })

/** An empty disk after the events. */
const machineAfter = (events: ReadonlyArray<Recorder.Event>, isJournaled: boolean): Images.Machine => {
  const machine = Images.make(new Map(), isJournaled)
  for (const event of events) Images.apply(machine, event)
  return machine
}

/** The image and the account at a moment. */
const crashAt = (events: ReadonlyArray<Recorder.Event>, at: number, survival: Images.Survival): Life => {
  const before = events.slice(0, at)
  const last = before.findLast((event) => event._tag === "note")
  return after(Images.crash(machineAfter(before, true), survival), (last?.note ?? []) as Workload.Account)
}

/** Whether a segment became another one: a power failure on the way must not bring its former name back. */
const hasRecycled = (events: ReadonlyArray<Recorder.Event>): boolean =>
  events.some((event) =>
    event._tag === "rename" && event.path.startsWith("store/log/") &&
    events.some((later) => later._tag === "rename" && later.path === event.to && later.to.startsWith("store/log/"))
  )

const count = (events: ReadonlyArray<Recorder.Event>, tag: Recorder.Event["_tag"]): number =>
  events.filter(({ _tag }) => _tag === tag).length

/** The events without the flushes of files, or of directories. */
const without = (
  events: ReadonlyArray<Recorder.Event>,
  what: "files" | "directories"
): ReadonlyArray<Recorder.Event> => {
  const paths = new Set(events.flatMap((event) => event._tag === "directory" ? [event.path] : []))
  const opened = new Set(events.flatMap((event) => event._tag === "open" && paths.has(event.path) ? [event.file] : []))
  return events.filter((event) => event._tag !== "flush" || opened.has(event.file) !== (what === "directories"))
}

describe("crash enumeration on files", { timeout: isLong ? 3_600_000 : 1_200_000 }, () => {
  it.live("F114, F119: the directory after every prefix of the operations, with more or less of what was not flushed", () =>
    Effect.gen(function*() {
      const events = yield* recorded(first)
      for (const tag of ["create", "write", "truncate", "flush", "directory", "rename", "link", "remove"] as const) {
        assert.isAbove(count(events, tag), 2, tag)
      }
      assert.isTrue(hasRecycled(events), "a segment is used again")
      assert.isAbove(yield* judgeAll(first, events), 200)
    }))

  it.live("a crash in the recovery from a crash", () =>
    Effect.gen(function*() {
      const events = yield* recorded(first)
      const writes = events.flatMap(({ _tag }, i) => _tag === "write" ? [i + 1] : [])
      const moments = isLong ? 40 : 2
      for (let i = 1; i <= moments; i++) {
        const at = writes[Math.floor(i * (writes.length - 1) / moments)]!
        const life = crashAt(events, at, Images.random(Prng.make(i)))
        assert.isAbove(yield* judgeAll(life, yield* recorded(life)), 20)
      }
    }))

  it.live.each(["files", "directories"] as const)(
    "would find it if no flush of %s did anything",
    (what) =>
      Effect.gen(function*() {
        const events = yield* recorded(first)
        const exit = yield* Effect.exit(judgeAll(first, without(events, what)))
        assert.match(Exit.isFailure(exit) ? Cause.pretty(exit.cause) : "all was well", /after event \d+ of \d+/)
      })
  )

  it.live.each([true, false])(
    "a store in new directories is found below them, journaled: %s",
    (isJournaled) =>
      Effect.gen(function*() {
        const parent = yield* directory
        const path = "new/directories/store"
        const entry = new TextEncoder().encode("acknowledged")
        const { events } = yield* Recorder.record(parent)
        yield* Effect.scoped(Effect.gen(function*() {
          const writer = yield* Log.use(({ acquire }) => acquire)
          yield* writer.append(0, [entry])
        })).pipe(Effect.provide(layerOf(join(parent, path))))
        Images.write(Images.crash(machineAfter(events, isJournaled), Images.nothing), parent)
        const found = yield* Log.use(({ read }) => Stream.runCollect(read(0))).pipe(
          Effect.provide(layerOf(join(parent, path)))
        )
        assert.deepStrictEqual(found.map(({ bytes }) => bytes), [entry])
      })
  )

  it.live("a log whose segments are used again one at a time", () =>
    Effect.gen(function*() {
      const entryAt = (position: number) => new Uint8Array(500).fill(position)
      const events = yield* Effect.scoped(Effect.gen(function*() {
        const parent = yield* directory
        const { events } = yield* Recorder.record(parent)
        const log = Context.get(yield* PowerFailures.open(parent), Log)
        const writer = yield* log.acquire
        for (let position = 0; position < 16; position++) {
          yield* writer.append(position, [entryAt(position)])
          events.push({ _tag: "note", note: position + 1 })
          if (position % 4 === 3) yield* writer.truncate(position - 3)
        }
        return events
      }))
      assert.isTrue(hasRecycled(events), "a segment is used again")
      const judged = yield* PowerFailures.judgeAll({
        initial: new Map(),
        events,
        note: 0,
        survivals: PowerFailures.survivals,
        judge: Effect.fnUntraced(function*(storage, upper) {
          const log = Context.get(yield* storage, Log)
          const { bounds } = yield* log.acquire
          assert.isAtLeast(bounds.upper, upper)
          const entries = yield* Stream.runCollect(log.read(bounds.lower))
          assert.strictEqual(entries.length, bounds.upper - bounds.lower)
          for (const { bytes, position } of entries) assert.deepStrictEqual(bytes, entryAt(position))
        }, Effect.scoped)
      })
      assert.isAbove(judged, 100)
    }))
})
