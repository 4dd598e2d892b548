/**
 * Blobs that nothing in a store refers to, and that no hold protects: left by a crash, or recently replaced. For tools
 * that do not run the store.
 *
 * @internal
 */
import { Effect } from "effect"
import type * as State from "../engine/State.ts"
import { Blob, type Info } from "../storage/Blob.ts"
import { Log } from "../storage/Log.ts"
import * as GarbageCollector from "./GarbageCollector.ts"
import * as HoldFiles from "./HoldFiles.ts"
import * as Recovery from "./Recovery.ts"

/** `confirm` runs after the listing: see `GarbageCollector.unnamed`. */
export const list = Effect.fnUntraced(function*<E>(state: State.State, confirm: Effect.Effect<void, E>) {
  const blob = yield* Blob
  const unnamed: ReadonlyArray<Info> = yield* GarbageCollector.unnamed(state, blob, confirm)
  const isKept = yield* HoldFiles.keeping(blob)
  return unnamed.filter(({ key }) => !isKept(key))
})

/**
 * Deletes them as the writer, which it still is after the listing, so that no process is about to refer to them.
 */
export const remove = Effect.gen(function*() {
  const log = yield* Log
  const blob = yield* Blob
  const writer = yield* log.acquire
  const { state } = yield* Recovery.latest
  const orphans = yield* list(state, writer.truncate(0))
  yield* Effect.forEach(orphans, ({ key }) => blob.delete(key), { discard: true })
  return orphans
})

export const bytesOf = (blobs: ReadonlyArray<Info>): number => blobs.reduce((sum, { bytes }) => sum + bytes, 0)
