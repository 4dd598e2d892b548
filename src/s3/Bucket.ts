/**
 * The part of a bucket below a prefix, as the few calls that storage needs.
 *
 * Only this module knows what an answer means: each call can be sent again, whatever its previous outcome (`Requests`).
 *
 * @internal
 */
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  type S3ClientConfig,
  UploadPartCommand
} from "@aws-sdk/client-s3"
import { Effect, Option, Redacted, type Scope, Stream } from "effect"
import type { StorageError } from "../PersistError.ts"
import type { Info, Range } from "../storage/Blob.ts"
import * as Requests from "./Requests.ts"

/**
 * The location of the objects of a store, and its connection. The entry point exports it as `S3Storage.Options`.
 */
export interface Options extends Requests.Options {
  readonly bucket: string
  /** The prefix of the keys of all objects of the store, without a `/` at its ends; none if absent. */
  readonly prefix?: string | undefined
  /** The URL of a store other than AWS; if absent, that of the region. */
  readonly endpoint?: string | undefined
  /** If absent, that of the environment (`AWS_REGION`, or the profile's); with an endpoint, `us-east-1`. */
  readonly region?: string | undefined
  /** `https://host/bucket/key` instead of `https://bucket.host/key`; if absent, only with an endpoint. */
  readonly forcePathStyle?: boolean | undefined
  /** If absent, the usual chain: environment, profile, web identity, container, instance. */
  readonly credentials?: Credentials | undefined
}

export interface Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: Redacted.Redacted<string>
  readonly sessionToken?: Redacted.Redacted<string> | undefined
}

/** A multipart upload that has begun. */
export interface Upload {
  readonly key: string
  readonly id: string
}

/** An uploaded part. */
export interface Part {
  readonly PartNumber: number
  readonly ETag: string | undefined
}

/**
 * - `created`: this call has put the object.
 * - `taken`: the object existed before the call.
 * - `unclear`: the object exists, and an attempt of this call may have put it, or one before it.
 */
export type Claimed = "created" | "taken" | "unclear"

export interface Bucket {
  readonly location: string
  /** Puts the object if it is absent. False: it exists, possibly put by an attempt of this call. */
  readonly create: (key: string, bytes: Uint8Array) => Effect.Effect<boolean, StorageError>
  /** As `create`, but reports whether an earlier attempt may have put an object that was deleted since. */
  readonly claim: (key: string, bytes: Uint8Array) => Effect.Effect<Claimed, StorageError>
  readonly get: (key: string, range?: Range) => Effect.Effect<Option.Option<Uint8Array>, StorageError>
  readonly delete: (key: string) => Effect.Effect<void, StorageError>
  /** The objects whose key starts with the prefix, in the order of keys. The listing may be stale. */
  readonly list: (prefix: string) => Stream.Stream<Info, StorageError>
  readonly beginUpload: (key: string) => Effect.Effect<Upload, StorageError>
  readonly uploadPart: (upload: Upload, number: number, bytes: Uint8Array) => Effect.Effect<Part, StorageError>
  /** Makes the object from the parts if it is absent. False: it exists, or the upload is gone. */
  readonly completeUpload: (upload: Upload, parts: ReadonlyArray<Part>) => Effect.Effect<boolean, StorageError>
  /** Aborts an upload. An upload that is already gone is no error. */
  readonly abortUpload: (upload: Upload) => Effect.Effect<void, StorageError>
}

export const make: (options: Options) => Effect.Effect<Bucket, never, Scope.Scope> = Effect.fnUntraced(
  function*(options) {
    const client = yield* Effect.acquireRelease(
      Effect.sync(() => new S3Client(configOf(options))),
      (made) => Effect.sync(() => made.destroy())
    )
    const { bucket: Bucket, prefix } = options
    const root = prefix === undefined || prefix === "" ? "" : `${prefix}/`
    const location = `s3://${Bucket}/${root}`
    const at = (key: string) => ({ Bucket, Key: root + key })
    const { read, write } = Requests.make(location, options)

    const claim: Bucket["claim"] = (key, bytes) =>
      Effect.suspend(() => {
        let attempts = 0
        const put = (abort: Requests.Abort) => {
          attempts++
          return client.send(new PutObjectCommand({ ...at(key), Body: bytes, ...unlessThere }), abort)
        }
        return Effect.map(
          write<unknown>(`put of "${key}"`, put, { 412: undefined }),
          (put) => put !== undefined ? "created" : attempts === 1 ? "taken" : "unclear"
        )
      })

    return {
      location,
      claim,
      create: (key, bytes) => Effect.map(claim(key, bytes), (claimed) => claimed === "created"),
      get: (key, range) =>
        read<Option.Option<Uint8Array>>(
          `get of "${key}"`,
          async (abort) => {
            const found = await client.send(new GetObjectCommand({ ...at(key), Range: rangeOf(range) }), abort)
            const bytes = await found.Body!.transformToByteArray()
            if (bytes.length !== found.ContentLength) throw incomplete()
            return Option.some(bytes.subarray(0, range?.length))
          },
          // A range that begins behind the end is rejected only if the object exists.
          { 404: Option.none(), 416: Option.some(new Uint8Array(0)) }
        ),
      delete: (key) =>
        write(`delete of "${key}"`, (abort) => client.send(new DeleteObjectCommand(at(key)), abort).then(isDone), {}),
      list: (prefix) =>
        Stream.paginate<string | undefined, Info, StorageError>(undefined, (ContinuationToken) =>
          Effect.map(
            read(`list of "${prefix}"`, (abort) =>
              client.send(new ListObjectsV2Command({ Bucket, Prefix: root + prefix, ContinuationToken }), abort), {}),
            ({ Contents = [], NextContinuationToken }) => [
              Contents.map(({ Key = "", Size = 0 }) => ({ key: Key.slice(root.length), bytes: Size })),
              Option.fromUndefinedOr(NextContinuationToken)
            ]
          )),
      ...uploads(client, at, write)
    }
  }
)

/** Of a put: it fails if the object exists. */
const unlessThere = { IfNoneMatch: "*" }

/** Large objects, in parts. */
const uploads = (
  client: S3Client,
  at: (key: string) => { readonly Bucket: string; readonly Key: string },
  write: Requests.Request
): Pick<Bucket, "beginUpload" | "uploadPart" | "completeUpload" | "abortUpload"> => ({
  beginUpload: (key) =>
    write(
      `begin of the upload of "${key}"`,
      (abort) =>
        client.send(new CreateMultipartUploadCommand(at(key)), abort).then(({ UploadId }) => ({
          key,
          id: UploadId!
        })),
      {}
    ),
  uploadPart: ({ id, key }, number, bytes) =>
    write(
      `upload of part ${number} of "${key}"`,
      (abort) =>
        client.send(new UploadPartCommand({ ...at(key), UploadId: id, PartNumber: number, Body: bytes }), abort)
          .then(({ ETag }) => ({ PartNumber: number, ETag })),
      {}
    ),
  completeUpload: ({ id, key }, parts) =>
    write(
      `end of the upload of "${key}"`,
      (abort) =>
        client.send(
          new CompleteMultipartUploadCommand({
            ...at(key),
            UploadId: id,
            MultipartUpload: { Parts: [...parts] },
            ...unlessThere
          }),
          abort
        ).then(isDone),
      { 404: false, 412: false }
    ),
  abortUpload: ({ id, key }) =>
    write<unknown>(
      `abort of the upload of "${key}"`,
      (abort) => client.send(new AbortMultipartUploadCommand({ ...at(key), UploadId: id }), abort),
      { 404: undefined }
    )
})

const configOf = ({ credentials, endpoint, forcePathStyle, region }: Options): S3ClientConfig => ({
  maxAttempts: 1,
  forcePathStyle: forcePathStyle ?? endpoint !== undefined,
  // Some stores do not support the client's own checksums. The stored data has its own checksums.
  requestChecksumCalculation: "WHEN_REQUIRED",
  responseChecksumValidation: "WHEN_REQUIRED",
  ...(endpoint === undefined ? {} : { endpoint }),
  ...(region === undefined && endpoint === undefined ? {} : { region: region ?? "us-east-1" }),
  ...(credentials === undefined ? {} : { credentials: revealed(credentials) })
})

const revealed = ({ accessKeyId, secretAccessKey, sessionToken }: Credentials) => ({
  accessKeyId,
  secretAccessKey: Redacted.value(secretAccessKey),
  ...(sessionToken === undefined ? {} : { sessionToken: Redacted.value(sessionToken) })
})

/** An empty range cannot be expressed in a header. */
const rangeOf = (range: Range | undefined): string | undefined =>
  range === undefined ? undefined : `bytes=${range.offset}-${range.offset + Math.max(1, range.length) - 1}`

const isDone = (): boolean => true

const incomplete = (): Error => new Error("the answer ended early")
