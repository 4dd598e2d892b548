import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  UploadPartCommand
} from "@aws-sdk/client-s3"
import { assert, describe, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { randomUUID } from "node:crypto"
import { bucket as Bucket } from "./Buckets.ts"
import { inProcess, stores } from "./Endpoints.ts"

/** A client as any program has one, and a part of the bucket of its own. */
const setUp = Effect.fnUntraced(function*(endpoint: Effect.Effect<string, never, Scope.Scope>) {
  const client = new S3Client({
    endpoint: yield* endpoint,
    region: "us-east-1",
    forcePathStyle: true,
    maxAttempts: 1,
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    credentials: { accessKeyId: "test", secretAccessKey: "test" }
  })
  yield* Effect.addFinalizer(() => Effect.sync(() => client.destroy()))
  const prefix = `${randomUUID()}/`
  const at = (key: string) => ({ Bucket, Key: prefix + key })
  const promise = <A>(run: () => Promise<A>) => Effect.promise(run)
  return {
    client,
    prefix,
    at,
    promise,
    put: (key: string, Body: string, condition: { IfMatch?: string; IfNoneMatch?: string } = {}) =>
      promise(() => client.send(new PutObjectCommand({ ...at(key), Body, ...condition }))),
    text: (key: string, Range?: string) =>
      promise(async () => {
        const found = await client.send(new GetObjectCommand({ ...at(key), ...(Range === undefined ? {} : { Range }) }))
        return (await found.Body!.transformToString())
      })
  }
})

/** The status and code of a refusal. */
const refusal = (effect: Effect.Effect<unknown>) =>
  Effect.map(Effect.sandbox(effect).pipe(Effect.flip), (cause) => {
    const [reason] = cause.reasons
    const error = (reason as { readonly defect: { name: string; $metadata: { httpStatusCode?: number } } }).defect
    return [error.$metadata.httpStatusCode, error.name]
  })

for (const { endpoint, name } of stores) {
  describe(`the store of the tests, ${name}`, () => {
    it.live("creates with If-None-Match: * once, of many at once too", () =>
      Effect.gen(function*() {
        const { put, text } = yield* setUp(endpoint)
        const created = yield* Effect.forEach(
          Array.from({ length: 8 }, (_, i) => i),
          (i) => Effect.exit(put("one", `${i}`, { IfNoneMatch: "*" })),
          { concurrency: "unbounded" }
        )
        const winners = created.flatMap((exit, i) => exit._tag === "Success" ? [i] : [])
        assert.strictEqual(winners.length, 1)
        assert.strictEqual(yield* text("one"), `${winners[0]}`)
        assert.deepStrictEqual(yield* refusal(put("one", "late", { IfNoneMatch: "*" })), [412, "PreconditionFailed"])
        assert.strictEqual(yield* text("one"), `${winners[0]}`)
      }), 60_000)

    it.live("shows every write to the next read, whole and in parts of it", () =>
      Effect.gen(function*() {
        const { at, client, promise, put, text } = yield* setUp(endpoint)
        yield* put("one", "0123456789")
        yield* put("one", "abcdefghij")
        assert.strictEqual(yield* text("one"), "abcdefghij")
        assert.strictEqual(yield* text("one", "bytes=2-4"), "cde")
        assert.strictEqual(yield* text("one", "bytes=8-100"), "ij")
        assert.strictEqual((yield* refusal(text("one", "bytes=10-11")))[0], 416)
        const head = yield* promise(() => client.send(new HeadObjectCommand(at("one"))))
        assert.strictEqual(head.ContentLength, 10)
        yield* promise(() => client.send(new DeleteObjectCommand(at("one"))))
        assert.deepStrictEqual(yield* refusal(text("one")), [404, "NoSuchKey"])
        yield* promise(() => client.send(new DeleteObjectCommand(at("one"))))
      }), 60_000)

    it.live("lists keys in the order of their bytes, page by page, and no other prefix", () =>
      Effect.gen(function*() {
        const { client, prefix, promise, put } = yield* setUp(endpoint)
        const keys = ["a/1", "a/10", "a/2", "a/B", "a/b", "a/ä", "a/<&>", "a/x y", "a/+", "a/é", "a/\u{1f600}", "b/1"]
        for (const key of keys) yield* put(key, key)
        const found: Array<string> = []
        let token: string | undefined
        let pages = 0
        do {
          const page = yield* promise(() =>
            client.send(
              new ListObjectsV2Command({ Bucket, Prefix: `${prefix}a/`, MaxKeys: 3, ContinuationToken: token })
            )
          )
          for (const { Key, Size } of page.Contents ?? []) {
            found.push(Key!.slice(prefix.length))
            assert.strictEqual(Size, Buffer.byteLength(found.at(-1)!))
          }
          token = page.NextContinuationToken
          pages++
        } while (token !== undefined)
        const expected = keys.filter((key) => key.startsWith("a/"))
          .toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
        assert.deepStrictEqual(found, expected)
        assert.strictEqual(pages, 4)
      }), 60_000)

    it.live(
      "makes an object of the parts that are named, once they have the tags that are named",
      () =>
        Effect.gen(function*() {
          const { at, client, promise, text } = yield* setUp(endpoint)
          const { UploadId } = yield* promise(() => client.send(new CreateMultipartUploadCommand(at("one"))))
          const large = "x".repeat(5 * 1024 * 1024)
          const part = (PartNumber: number, Body: string) =>
            promise(() => client.send(new UploadPartCommand({ ...at("one"), UploadId, PartNumber, Body })))
          const complete = (Parts: Array<{ PartNumber: number; ETag: string }>) =>
            promise(() =>
              client.send(new CompleteMultipartUploadCommand({ ...at("one"), UploadId, MultipartUpload: { Parts } }))
            )
          const [first, second] = [yield* part(1, large), yield* part(2, "end")]
          assert.deepStrictEqual(yield* refusal(text("one")), [404, "NoSuchKey"])
          assert.strictEqual((yield* refusal(complete([{ PartNumber: 1, ETag: second.ETag! }])))[0], 400)
          yield* complete([{ PartNumber: 1, ETag: first.ETag! }, { PartNumber: 2, ETag: second.ETag! }])
          assert.strictEqual((yield* text("one")).length, large.length + 3)
          assert.strictEqual(yield* text("one", `bytes=${large.length}-`), "end")
        }),
      60_000
    )
  })
}

describe("the store of the tests, in process", () => {
  // Nothing of Tidemark replaces an object, and Ceph answers the right tag with 412, too.
  it.live("replaces with If-Match what has this tag, and nothing else", () =>
    Effect.gen(function*() {
      const { put, text } = yield* setUp(inProcess.endpoint)
      const first = yield* put("one", "first")
      const second = yield* put("one", "second", { IfMatch: first.ETag! })
      assert.notStrictEqual(first.ETag, second.ETag)
      assert.deepStrictEqual(yield* refusal(put("one", "third", { IfMatch: first.ETag! })), [
        412,
        "PreconditionFailed"
      ])
      assert.strictEqual(yield* text("one"), "second")
      const [status] = yield* refusal(put("none", "x", { IfMatch: first.ETag! }))
      assert.include([404, 412], status)
    }), 60_000)

  it.live("ends an upload with If-None-Match: * only where there is no object", () =>
    Effect.gen(function*() {
      const { at, client, promise, put, text } = yield* setUp(inProcess.endpoint)
      const { UploadId } = yield* promise(() => client.send(new CreateMultipartUploadCommand(at("one"))))
      const { ETag } = yield* promise(() =>
        client.send(new UploadPartCommand({ ...at("one"), UploadId, PartNumber: 1, Body: "late" }))
      )
      yield* put("one", "early")
      const end = promise(() =>
        client.send(
          new CompleteMultipartUploadCommand({
            ...at("one"),
            UploadId,
            MultipartUpload: { Parts: [{ PartNumber: 1, ETag }] },
            IfNoneMatch: "*"
          })
        )
      )
      assert.deepStrictEqual(yield* refusal(end), [412, "PreconditionFailed"])
      assert.strictEqual(yield* text("one"), "early")
    }))
})
