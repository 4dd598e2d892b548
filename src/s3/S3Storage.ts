/**
 * Log and blobs in a bucket of an S3-compatible object store.
 *
 * One process at a time may write, and any number may read; only the bucket is needed to decide which process writes.
 * An acknowledged call is as durable as the store makes its objects. The keys, the guarantees and the costs are
 * described in `docs/s3.md`.
 *
 * Needs the package `@aws-sdk/client-s3`.
 *
 * @since 0.1.0
 */
import { Context, type Duration, Effect, Layer, Redacted } from "effect"
import { Blob } from "../storage/Blob.ts"
import { Log } from "../storage/Log.ts"
import * as Bucket from "./Bucket.ts"
import * as S3Blob from "./S3Blob.ts"
import * as S3Log from "./S3Log.ts"

/**
 * Keys to sign requests with, if those of the environment are not the right ones.
 *
 * @category models
 * @since 0.1.0
 */
export type Credentials = Bucket.Credentials

/**
 * Makes credentials from plain text. They are stored so that no log or inspection shows them.
 *
 * @category constructors
 * @since 0.1.0
 */
export const credentials = (plain: {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string | undefined
}): Credentials => ({
  accessKeyId: plain.accessKeyId,
  secretAccessKey: Redacted.make(plain.secretAccessKey),
  sessionToken: plain.sessionToken === undefined ? undefined : Redacted.make(plain.sessionToken)
})

/**
 * The location of blobs, and how they are uploaded.
 *
 * @category models
 * @since 0.1.0
 */
export interface BlobOptions extends Bucket.Options {
  /** Larger blobs are uploaded in parts of this size, in bytes; 8 MiB if absent. S3 rejects parts under 5 MiB. */
  readonly partBytes?: number | undefined
}

/**
 * The location of a store, and its connection.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends BlobOptions {
  /** The pause between two polls of a follower while there are new entries; 10 milliseconds if absent. */
  readonly shortestPoll?: Duration.Input | undefined
  /** The longest pause between two polls while there are none; 1 second if absent. */
  readonly longestPoll?: Duration.Input | undefined
}

const defaultPartBytes = 8 * 1024 * 1024

/**
 * The storage of one bucket, or of the part of it below a prefix. Building the layer sends nothing.
 *
 * The first acquisition of the log tests whether the store honours conditional writes, and fails with `UnsafeStore` if
 * it does not. A newer writer fences the previous one at once. Truncation removes whole appends: `bounds.lower` may
 * stay below the requested position.
 *
 * @see {@link layerBlob}
 *
 * @example
 * ```ts check
 * import { Layer } from "effect"
 * import { PersistClient } from "tidemark"
 * import { S3Storage } from "tidemark/s3"
 *
 * export const client = PersistClient.layer().pipe(
 *   Layer.provide(S3Storage.layer({ bucket: "orders", prefix: "production" }))
 * )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<Log | Blob> =>
  Layer.effectContext(Effect.gen(function*() {
    const bucket = yield* Bucket.make(options)
    const poll = { shortest: options.shortestPoll ?? "10 millis", longest: options.longestPoll ?? "1 second" }
    const log = yield* S3Log.make(bucket, { poll })
    return Context.make(Log, log).pipe(Context.add(Blob, blobs(bucket, options)))
  }))

/**
 * The blobs of one bucket alone, for a log that is stored elsewhere. It is also safe on stores that ignore conditional
 * writes, since a store never uses a key for two blobs.
 *
 * @see {@link layer}
 *
 * @category layers
 * @since 0.1.0
 */
export const layerBlob = (options: BlobOptions): Layer.Layer<Blob> =>
  Layer.effect(Blob, Effect.map(Bucket.make(options), (bucket) => blobs(bucket, options)))

const blobs = (bucket: Bucket.Bucket, { partBytes }: BlobOptions): Blob["Service"] =>
  S3Blob.make(bucket, { partBytes: partBytes ?? defaultPartBytes })
