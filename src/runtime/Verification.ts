/**
 * Verifies a store: every byte of the log and of every blob, and whether the parts are consistent.
 *
 * @internal
 */
import { Effect, Option, Stream } from "effect"
import * as BatchFile from "../batch/BatchFile.ts"
import * as BatchVerifier from "../batch/BatchVerifier.ts"
import { compareBytes } from "../batch/Compare.ts"
import type { Batch, Part } from "../engine/Batch.ts"
import * as Collection from "../engine/Collection.ts"
import * as Rollup from "../engine/Rollup.ts"
import * as State from "../engine/State.ts"
import { Corrupt, type StorageError, UnsupportedFormat } from "../PersistError.ts"
import { Blob } from "../storage/Blob.ts"
import { Log } from "../storage/Log.ts"
import * as HoldFiles from "./HoldFiles.ts"
import * as Recovery from "./Recovery.ts"

export interface Problem {
  /** Relative to the store. */
  readonly file: string
  readonly offset: number
  readonly detail: string
}

export interface Result {
  readonly problems: ReadonlyArray<Problem>
  readonly blobs: number
  readonly bytes: number
}

/** The description that a blob has of itself, or nothing if it is not a batch or is damaged. */
type Checked = BatchFile.Footer | undefined

const fileOf = (key: string): string => `blobs/${key}`

/** The name of the location of an error in the report. */
const fileAt = (root: string, location: string): string => {
  if (location.startsWith(root)) return location.slice(root.length).replace(/^[/\\, ]+/, "")
  return /^(batch|rollup|hold)\//.test(location) ? fileOf(location) : location
}

const problemOf = (root: string, error: Corrupt | UnsupportedFormat): Problem => {
  const file = fileAt(root, error.location)
  return error._tag === "Corrupt"
    ? { file, offset: error.offset, detail: error.detail }
    : { file, offset: 0, detail: error.message }
}

/** Bytes of blobs to check. */
export const size: Effect.Effect<number, StorageError, Blob> = Effect.gen(function*() {
  const blob = yield* Blob
  return yield* Stream.runFold(blob.list(""), () => 0, (sum, { bytes }) => sum + bytes)
})

/** Checks blobs, each once, and whether states find in them what they describe. */
export interface Checker {
  readonly add: (error: Corrupt | UnsupportedFormat) => void
  /** Checks a blob by itself. False if there is none. */
  readonly check: (key: string) => Effect.Effect<boolean, StorageError>
  /** Checks that the batches that a state names exist, and match its description. */
  readonly checkParts: <R>(
    state: State.State,
    inHold: string,
    isStillNamed: (key: string) => Effect.Effect<boolean, StorageError, R>
  ) => Effect.Effect<void, StorageError, R>
  readonly result: () => Result
}

/** `root` is the location of the store, to which files are relative. */
export const checker = (blob: Blob["Service"], root: string, checkedBytes: (bytes: number) => void): Checker => {
  const problems: Array<Problem> = []
  const checked = new Map<string, Checked>()
  let bytes = 0

  const add: Checker["add"] = (error) => {
    const found = problemOf(root, error)
    const isKnown = problems.some(({ detail, file, offset }) =>
      file === found.file && offset === found.offset && detail === found.detail
    )
    if (!isKnown) problems.push(found)
  }
  const check: Checker["check"] = Effect.fnUntraced(function*(key) {
    if (checked.has(key)) return true
    const stored = yield* blob.get(key)
    if (Option.isNone(stored)) return false
    const found = verifyBlob(key, stored.value)
    found.problems.forEach(add)
    checked.set(key, found.footer)
    bytes += stored.value.length
    checkedBytes(stored.value.length)
    return true
  })
  return {
    add,
    check,
    checkParts: Effect.fnUntraced(function*(state, inHold, isStillNamed) {
      for (const { batch, name, part } of partsOf(state)) {
        if (yield* check(part.key)) {
          const footer = checked.get(part.key)
          if (footer !== undefined) mismatches(name, batch, part, footer).forEach(add)
        } else if (yield* isStillNamed(part.key)) {
          const detail = `it is missing, but "${name}"${inHold} has rows in it`
          add(new Corrupt({ location: fileOf(part.key), offset: 0, detail }))
        }
      }
    }),
    result: () => ({ problems, blobs: checked.size, bytes })
  }
}

/** Checks everything, also while a writer is running. `checkedBytes` receives the bytes of each blob. */
export const run = Effect.fnUntraced(function*(checkedBytes: (bytes: number) => void) {
  const log = yield* Log
  const blob = yield* Blob
  const { add, check, checkParts, result } = checker(blob, log.location, checkedBytes)

  yield* Stream.runForEach(log.verify, (error) => Effect.sync(() => add(error)))
  yield* Stream.runForEach(blob.list(""), ({ key }) => check(key))
  const recovered = yield* Effect.result(Recovery.latest)
  if (recovered._tag === "Failure") {
    const error = recovered.failure
    if (error._tag !== "Corrupt" && error._tag !== "UnsupportedFormat") return yield* error
    const known = problemOf(log.location, error)
    const isKnown = result().problems.some(({ file, offset }) => file === known.file && offset === known.offset)
    if (!isKnown) add(error)
  } else {
    const { state } = recovered.success
    const violation = Rollup.stateViolation(state)
    if (violation !== undefined) add(new Corrupt({ location: "log", offset: 0, detail: violation }))
    yield* checkParts(state, "", isStillNamed)
  }
  for (const hold of yield* HoldFiles.list(blob)) {
    // Without a heartbeat, taking it was not completed: it guarantees nothing.
    if (hold.beats.length === 0) continue
    // Damage has been reported with its blob.
    const state = yield* Effect.catchTag(
      HoldFiles.read(hold, blob),
      ["Corrupt", "UnsupportedFormat"],
      () => Effect.undefined
    )
    const isStillHeld = () => Effect.map(HoldFiles.read(hold, blob), (found) => found !== undefined)
    if (state !== undefined) yield* checkParts(state, ` in the hold "${hold.name}"`, isStillHeld)
  }
  return result()
})

/** A running writer may have replaced a blob meanwhile. */
const isStillNamed = (key: string) => Effect.map(Recovery.latest, ({ state }) => State.blobKeys(state).has(key))

export const partsOf = function*(state: State.State) {
  for (const collection of state.collections.values()) {
    const { name } = collection.registration
    for (const batch of Collection.batches(collection)) for (const part of batch.parts) yield { name, batch, part }
  }
}

/** Checks a blob by itself: a batch, a rollup, or what belongs to a hold. */
export const verifyBlob = (key: string, bytes: Uint8Array) => {
  const file = fileOf(key)
  // Only the presence of a heartbeat, or of the origin of backups, counts: it has no content.
  if (HoldFiles.isBeat(key) || key.startsWith("origin/")) return { problems: [], footer: undefined }
  if (key.startsWith("batch/")) {
    const problems = BatchVerifier.verify(bytes, file)
    return { problems, footer: problems.length > 0 ? undefined : footerOf(bytes, file) }
  }
  try {
    Rollup.decode(bytes, file)
    return { problems: [], footer: undefined }
  } catch (error) {
    if (error instanceof Corrupt || error instanceof UnsupportedFormat) return { problems: [error], footer: undefined }
    throw error
  }
}

const footerOf = (bytes: Uint8Array, file: string): BatchFile.Footer => {
  const trailer = BatchFile.readTrailer(bytes, bytes.length, file)
  const { footerLength, footerOffset } = trailer
  return BatchFile.readFooter(bytes.subarray(footerOffset, footerOffset + footerLength), trailer, file)
}

/** The cases in which an intact blob is not the one that the collection refers to. */
const mismatches = (name: string, batch: Batch, part: Part, footer: BatchFile.Footer): Array<Corrupt> => {
  const { blocks, description } = footer
  const claims: ReadonlyArray<readonly [what: string, holds: boolean]> = [
    ["the number of rows", footer.rows === part.rows],
    ["the multiset checksum", footer.checksum === part.checksum],
    ["the first key", compareBytes(blocks[0]!.minKey, part.minKey) === 0],
    ["the last key", compareBytes(blocks.at(-1)!.maxKey, part.maxKey) === 0],
    ["the first time", Math.min(...blocks.map(({ minTime }) => minTime)) === part.minTime],
    ["the last time", Math.max(...blocks.map(({ maxTime }) => maxTime)) === part.maxTime],
    ["the since", description.since === batch.since]
  ]
  return claims.filter(([, holds]) => !holds).map(([what]) =>
    new Corrupt({ location: fileOf(part.key), offset: 0, detail: `${what} is not what "${name}" expects of it` })
  )
}
