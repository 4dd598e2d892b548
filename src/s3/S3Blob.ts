/**
 * Blobs as objects: `blobs/<key>`. An object appears whole or not at all, and the first put of a key wins.
 *
 * Larger blobs than a part are uploaded in parts, a few at a time. An upload that fails is aborted, so that its parts
 * cost nothing. If the process dies during an upload, the bucket's lifecycle rule for incomplete uploads has to remove
 * the parts.
 *
 * @internal
 */
import { Effect, Exit, Option, Stream } from "effect"
import { Indeterminate, type StorageError } from "../PersistError.ts"
import type { Blob } from "../storage/Blob.ts"
import * as BlobKey from "../storage/BlobKey.ts"
import type { Bucket, Upload } from "./Bucket.ts"

export interface Options {
  /**
   * Larger blobs are uploaded in parts of this size, in bytes. S3 rejects parts under 5 MiB, except for the last one.
   */
  readonly partBytes: number
}

/** S3's limit of parts. */
const maxParts = 10_000

/** How many parts of one blob are uploaded at the same time. */
const partsInFlight = 4

const folder = "blobs/"

export const make = (bucket: Bucket, options: Options): Blob["Service"] => ({
  location: bucket.location,
  put: (key, bytes) =>
    Effect.suspend(() => {
      const path = locate(key)
      const put = bytes.length > options.partBytes
        ? putInParts(bucket, path, bytes, options.partBytes)
        : bucket.create(path, bytes)
      return Effect.asVoid(put)
    }),
  get: (key, range) => Effect.suspend(() => bucket.get(locate(key), range)),
  delete: (key) => Effect.suspend(() => bucket.delete(locate(key))),
  list: (prefix) =>
    Stream.suspend(() => {
      BlobKey.checkPrefix(prefix)
      return Stream.map(bucket.list(folder + prefix), ({ bytes, key }) => ({ key: key.slice(folder.length), bytes }))
    })
})

const locate = (key: string): string => {
  BlobKey.check(key)
  return folder + key
}

/**
 * Some stores ignore the condition at the end of an upload, so that it is also checked before. Keys are never reused:
 * two puts of one key at the same time have the same bytes.
 */
const putInParts = Effect.fnUntraced(function*(bucket: Bucket, path: string, bytes: Uint8Array, partBytes: number) {
  if (yield* isThere(bucket, path)) return
  yield* Effect.acquireUseRelease(
    bucket.beginUpload(path),
    (upload) => uploadParts(bucket, upload, bytes, Math.max(partBytes, Math.ceil(bytes.length / maxParts))),
    (upload, exit) => Exit.isSuccess(exit) && exit.value ? Effect.void : Effect.ignore(bucket.abortUpload(upload))
  )
})

/** Whether the object was made by this upload, and not by another one. */
const uploadParts = Effect.fnUntraced(
  function*(bucket: Bucket, upload: Upload, bytes: Uint8Array, partBytes: number) {
    const count = Math.ceil(bytes.length / partBytes)
    const parts = yield* Effect.forEach(
      Array.from({ length: count }, (_, i) => i),
      (i) => bucket.uploadPart(upload, i + 1, bytes.subarray(i * partBytes, (i + 1) * partBytes)),
      { concurrency: partsInFlight }
    )
    if (yield* bucket.completeUpload(upload, parts)) return true
    // The upload is gone: an attempt whose answer was lost has completed it, or it was removed by a cleanup.
    if (yield* isThere(bucket, upload.key)) return false
    return yield* new Indeterminate({ operation: `upload of "${upload.key}"`, detail: "the upload has disappeared" })
  }
)

const isThere = (bucket: Bucket, path: string): Effect.Effect<boolean, StorageError> =>
  Effect.map(bucket.get(path, { offset: 0, length: 1 }), Option.isSome)
