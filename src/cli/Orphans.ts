/**
 * Blobs that nothing in a store refers to, and that no hold protects: left by a crash, or recently replaced.
 *
 * @internal
 */
import { Effect, Logger } from "effect"
import type * as State from "../engine/State.ts"
import * as GarbageCollector from "../runtime/GarbageCollector.ts"
import * as HoldFiles from "../runtime/HoldFiles.ts"
import { Blob, type Info } from "../storage/Blob.ts"

/** `confirm` runs after the listing: see `GarbageCollector.unnamed`. */
export const list = Effect.fnUntraced(function*<E>(state: State.State, confirm: Effect.Effect<void, E>) {
  const blob = yield* Blob
  const unnamed: ReadonlyArray<Info> = yield* GarbageCollector.unnamed(state, blob, confirm)
  const isKept = yield* Effect.provideService(HoldFiles.keeping(blob), Logger.LogToStderr, true)
  return unnamed.filter(({ key }) => !isKept(key))
})

export const bytesOf = (blobs: ReadonlyArray<Info>): number => blobs.reduce((sum, { bytes }) => sum + bytes, 0)
