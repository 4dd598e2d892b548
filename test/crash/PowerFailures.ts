/**
 * Power failures on files: the directories that they may leave after each operation of a recording, each of them judged once.
 */
import { Cause, Context, Effect, Layer } from "effect"
import { createHash } from "node:crypto"
import fs from "node:fs"
import { join } from "node:path"
import { Blob } from "../../src/storage/Blob.ts"
import { Log } from "../../src/storage/Log.ts"
import * as Prng from "../../src/testing/Prng.ts"
import { inMemory, layerOf } from "../node/Temporary.ts"
import * as Images from "./Images.ts"
import type * as Recorder from "./Recorder.ts"

export const isLong = process.env["TIDEMARK_CRASHES"] === "all"

/** So small that segments are let go, and used again. */
const segmentBytes = 2048

/** Without the worker thread: it touches no file. */
export const open = (parent: string) =>
  Effect.map(
    Layer.build(Layer.fresh(layerOf(join(parent, "store"), segmentBytes))),
    (context) => Context.pick(Log, Blob)(context)
  )

export type Opening = ReturnType<typeof open>

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
export const survivals = (machine: Images.Machine, at: number): ReadonlyArray<Images.Survival> => {
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

const hashOf = (image: Images.Image): string => {
  const hash = createHash("sha1")
  for (const [path, bytes] of [...image].toSorted(([a], [b]) => a < b ? -1 : 1)) {
    hash.update(`${path}\0${bytes?.length}\0`).update(bytes ?? "")
  }
  return hash.digest("hex")
}

export interface Judged<Note> {
  readonly initial: Images.Image
  readonly events: ReadonlyArray<Recorder.Event>
  /** What is known at the beginning. Events say what is known later. */
  readonly note: Note
  readonly survivals: (machine: Images.Machine, at: number) => ReadonlyArray<Images.Survival>
  /** The image is named by its content: what is found in it does not depend on what is known. */
  readonly judge: (
    storage: Opening,
    note: Note,
    image: string
  ) => Effect.Effect<unknown, unknown>
}

/** The storage in an image, which becomes a directory when it is opened first. */
const opening = (image: Images.Image, parent: string): Opening => {
  let isWritten = false
  return Effect.suspend(() => {
    if (!isWritten) Images.write(image, parent)
    isWritten = true
    return open(parent)
  })
}

/**
 * Judges every image of every prefix of the events, each once with all that was known when it was left, until one fails.
 * Returns how many there were.
 */
export const judgeAll = Effect.fnUntraced(
  function*<Note>({ events, initial, judge, survivals, ...first }: Judged<Note>) {
    const parent = yield* inMemory
    yield* withoutFlushes
    const machines = [true, false].map((isJournaled) => Images.make(initial, isJournaled))
    const judged = new Set<string>()
    let { note } = first
    for (let at = 0; at <= events.length; at++) {
      const images = machines.flatMap((machine) =>
        survivals(machine, at).map((survival) => Images.crash(machine, survival))
      )
      for (const image of images) {
        const hash = hashOf(image)
        const known = `${hash} ${JSON.stringify(note)}`
        if (judged.has(known)) continue
        judged.add(known)
        yield* judge(opening(image, parent), note, hash).pipe(
          Effect.catchCause((cause) =>
            Effect.die(new Error(`after event ${at} of ${events.length}: ${Cause.pretty(cause)}`))
          )
        )
      }
      const event = events[at]
      if (event?._tag === "note") note = event.note as Note
      else if (event !== undefined) { for (const machine of machines) Images.apply(machine, event) }
    }
    return judged.size
  },
  Effect.scoped
)
