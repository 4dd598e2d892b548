import { assert, describe, it } from "@effect/vitest"
import { Cause, Context, Effect, Exit, Layer } from "effect"
import { createHash } from "node:crypto"
import fs from "node:fs"
import { join } from "node:path"
import { Blob } from "../../src/storage/Blob.ts"
import { Log } from "../../src/storage/Log.ts"
import * as Prng from "../../src/testing/Prng.ts"
import { directory, layerOf } from "../node/Temporary.ts"
import * as Store from "../utils/Store.ts"
import * as Images from "./Images.ts"
import * as Judge from "./Judge.ts"
import * as Recorder from "./Recorder.ts"
import * as Workload from "./Workload.ts"

// The reference workload on files: what it does to them is recorded, and the directory rebuilt as a power failure after
// every single operation may have left it. TIDEMARK_CRASHES=all: a longer workload, and more of what may be left.

const isLong = process.env["TIDEMARK_CRASHES"] === "all"
/** So small that segments are let go, and used again. */
const segmentBytes = 2048

/** Without the worker thread: it touches no file. */
const open = (parent: string) =>
  Effect.map(
    Layer.build(Layer.fresh(layerOf(join(parent, "store"), segmentBytes))),
    (context) => Context.pick(Log, Blob)(context)
  )

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

/** Every event of a life, and the replies in between. */
const recorded = ({ account, groups, initial }: Life) =>
  Effect.gen(function*() {
    const parent = yield* directory
    Images.write(initial, parent)
    return yield* Store.inScope(Effect.gen(function*() {
      const { events } = yield* Recorder.record(parent)
      const delivered: Workload.Account = []
      const client = yield* Store.client(yield* open(parent), Store.tiny)
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

const { O_DSYNC } = fs.constants
type Done = (error: null) => void

/** Nothing crashes while a store is judged, so that nothing needs to be flushed. */
const withoutFlushes = Effect.acquireRelease(
  Effect.sync(() => {
    const { fdatasync, fsync, open } = fs
    const skip = (_: number, done: Done) => void setImmediate(done, null)
    Object.assign(fs, {
      fsync: skip,
      fdatasync: skip,
      open: (path: string, flags: number, mode: number, done: Done) =>
        (open as (...args: ReadonlyArray<unknown>) => void)(path, flags & ~O_DSYNC, mode, done)
    })
    return { fdatasync, fsync, open }
  }),
  (originals) => Effect.sync(() => Object.assign(fs, originals))
)

/** The ways in which a power failure is tried at a moment. */
const survivals = (machine: Images.Machine, at: number): ReadonlyArray<Images.Survival> => {
  const { changes, sectors } = Images.unflushed(machine)
  // There is no end to what is never flushed because it need not be.
  if (!machine.isJournaled && !isLong) return [Images.nothing, Images.unnamed(changes - 1)]
  const seeds = isLong ? 4 : 1
  // Each sector at every third moment: what is not flushed then mostly is not yet at the two after it, either.
  const isTorn = isLong || at % 3 === 0
  return [
    Images.nothing,
    Images.everything,
    ...Array.from({ length: isTorn ? sectors : 0 }, (_, i) => Images.torn(i)),
    ...Array.from({ length: changes }, (_, i) => Images.unnamed(i)),
    ...Array.from({ length: seeds }, (_, i) => Images.random(Prng.make(at * seeds + i)))
  ]
}

const hashOf = (image: Images.Image, account: Workload.Account): string => {
  const hash = createHash("sha1").update(JSON.stringify(account))
  for (const [path, bytes] of image) hash.update(`${path}\0${bytes?.length}\0`).update(bytes ?? "")
  return hash.digest("hex")
}

/** Judges every image of every prefix of the events of a life, each once, until one fails. */
const judgeAll = Effect.fnUntraced(function*(life: Life, events: ReadonlyArray<Recorder.Event>) {
  const parent = yield* directory
  yield* withoutFlushes
  const machines = [true, false].map((isJournaled) => Images.make(life.initial, isJournaled))
  const judged = new Set<string>()
  let account = life.account
  for (let at = 0; at <= events.length; at++) {
    const images = machines.flatMap((machine) =>
      survivals(machine, at).map((survival) => Images.crash(machine, survival))
    )
    for (const image of images) {
      const hash = hashOf(image, account)
      if (judged.has(hash)) continue
      judged.add(hash)
      Images.write(image, parent)
      yield* Judge.judge(open(parent), Workload.allowed(life.groups, account)).pipe(
        Effect.catchCause((cause) =>
          Effect.die(new Error(`after event ${at} of ${events.length}: ${Cause.pretty(cause)}`))
        )
      )
    }
    const event = events[at]
    if (event?._tag === "note") account = event.note as Workload.Account
    else if (event !== undefined) { for (const machine of machines) Images.apply(machine, event) }
  }
  return judged.size
}, Effect.scoped)

/** The image and the account at a moment. */
const crashAt = (events: ReadonlyArray<Recorder.Event>, at: number, survival: Images.Survival): Life => {
  const machine = Images.make(new Map(), true)
  let account: Workload.Account = []
  for (const event of events.slice(0, at)) {
    if (event._tag === "note") account = event.note as Workload.Account
    else Images.apply(machine, event)
  }
  return after(Images.crash(machine, survival), account)
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

describe("crash enumeration on files", { timeout: isLong ? 3_600_000 : 300_000 }, () => {
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
})
