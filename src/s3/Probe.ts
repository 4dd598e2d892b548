/**
 * Tests whether a store honours conditional writes: of several creations of one object at the same time at most one may
 * succeed, and none after it.
 *
 * A log is made of numbered objects, each of which must be created once. On a store that answers every put with
 * success, two writers would overwrite each other's records, and both would take theirs for durable.
 *
 * @internal
 */
import { Effect, Option } from "effect"
import { UnsafeStore } from "../PersistError.ts"
import type { Bucket } from "./Bucket.ts"

const rivals = 4

/** Fails with `UnsafeStore` if conditional writes are not honoured. */
export const run = Effect.fnUntraced(function*(bucket: Bucket, nonce: bigint) {
  const key = `probe/${nonce.toString(16)}`
  const problem = yield* Effect.ensuring(problemOf(bucket, key), Effect.ignore(bucket.delete(key)))
  if (problem !== undefined) return yield* new UnsafeStore({ location: bucket.location, detail: problem })
})

const problemOf = Effect.fnUntraced(function*(bucket: Bucket, key: string) {
  const contents = Array.from({ length: rivals }, (_, i) => new Uint8Array([i]))
  const created = yield* Effect.forEach(contents, (content) => bucket.create(key, content), { concurrency: rivals })
  const winners = created.filter((isCreated) => isCreated).length
  if (winners > 1) return `${winners} of ${rivals} creations of one object succeeded (If-None-Match is ignored)`
  if (yield* bucket.create(key, new Uint8Array([rivals]))) {
    return "an object was created twice (If-None-Match is ignored)"
  }
  const found = Option.getOrUndefined(yield* bucket.get(key))?.[0]
  // If the answer to the successful creation was lost, any of them may have succeeded.
  const isKept = winners === 1 ? found === created.indexOf(true) : found !== undefined && found < rivals
  return isKept ? undefined : "a creation that was refused has changed the object"
})
