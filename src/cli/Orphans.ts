/**
 * Blobs that nothing in a store refers to, and no hold keeps: left by a crash, or replaced a moment ago.
 *
 * @internal
 */
import { Effect, Logger, Stream } from "effect"
import * as State from "../engine/State.ts"
import * as HoldFiles from "../runtime/HoldFiles.ts"
import { Blob, type Info } from "../storage/Blob.ts"

export const list = Effect.fnUntraced(function*(state: State.State) {
  const blob = yield* Blob
  const referenced = State.blobKeys(state)
  const stored: ReadonlyArray<Info> = yield* Stream.runCollect(
    Stream.concat(blob.list("batch/"), blob.list("rollup/"))
  )
  const isKept = yield* Effect.provideService(HoldFiles.keeping(blob), Logger.LogToStderr, true)
  return stored.filter(({ key }) => !referenced.has(key) && !isKept(key))
})

export const bytesOf = (blobs: ReadonlyArray<Info>): number => blobs.reduce((sum, { bytes }) => sum + bytes, 0)
