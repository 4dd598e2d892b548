/**
 * Buckets to test on, and stores in them.
 */
import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3"
import { Context, Effect, Layer, Redacted, Schedule, type Scope } from "effect"
import { randomUUID } from "node:crypto"
import { S3Storage } from "tidemark/s3"
import { Blob } from "../../src/storage/Blob.ts"
import { Log } from "../../src/storage/Log.ts"

export const bucket = "tidemark"

export const credentials: S3Storage.Credentials = {
  accessKeyId: "test",
  secretAccessKey: Redacted.make("test")
}

/** Short pauses, so that tests do not wait. */
const retry = Schedule.spaced("5 millis").pipe(Schedule.upTo({ times: 8 }))

export const options = (endpoint: string, more: Partial<S3Storage.Options> = {}): S3Storage.Options => ({
  bucket,
  endpoint,
  credentials,
  prefix: `test/${randomUUID()}`,
  shortestPoll: "2 millis",
  longestPoll: "20 millis",
  requestTimeout: "10 seconds",
  retry,
  ...more
})

/** A store in a part of the bucket of its own. */
export const makeStore = (endpoint: string, more?: Partial<S3Storage.Options>) =>
  Effect.sync(() => S3Storage.layer(options(endpoint, more)))

export const createBucket = async (endpoint: string): Promise<void> => {
  const client = new S3Client({
    endpoint,
    region: "us-east-1",
    forcePathStyle: true,
    credentials: { accessKeyId: "test", secretAccessKey: "test" }
  })
  await client.send(new CreateBucketCommand({ Bucket: bucket }))
  client.destroy()
}

export type Storage = Context.Context<Log | Blob>

/** A new opener, as another process would be. */
export const open = (made: S3Storage.Options): Effect.Effect<Storage, never, Scope.Scope> =>
  Layer.build(Layer.fresh(S3Storage.layer(made)))

export const openLog = (made: S3Storage.Options) => Effect.map(open(made), (context) => Context.get(context, Log))

export const openBlob = (made: S3Storage.Options) => Effect.map(open(made), (context) => Context.get(context, Blob))
