import { assert, describe, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import fs from "node:fs"
import type http from "node:http"
import { createRequire } from "node:module"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { PersistClient } from "tidemark"
import { S3Storage } from "tidemark/s3"
import { vi } from "vitest"
import { bucket, openBlob, openLog, options } from "./Buckets.ts"
import { fake } from "./Fake.ts"
import * as Proxy from "./Proxy.ts"

/** An emulator that answers every put with success, whatever its condition. It has no types. */
interface Liar {
  readonly run: () => Promise<AddressInfo>
  readonly close: () => Promise<void>
}
const S3rver = createRequire(import.meta.url)("@20minutes/s3rver") as new(options: object) => Liar

const liar = Effect.gen(function*() {
  const directory = fs.mkdtempSync(join(tmpdir(), "tidemark-liar-"))
  const server = new S3rver({
    address: "127.0.0.1",
    port: 0,
    silent: true,
    allowMismatchedSignatures: true,
    directory,
    configureBuckets: [{ name: bucket }]
  })
  const { port } = yield* Effect.acquireRelease(Effect.promise(() => server.run()), () =>
    Effect.promise(async () => {
      await server.close()
      fs.rmSync(directory, { recursive: true, force: true })
    }))
  return `http://127.0.0.1:${port}`
})

const liarKeys = { accessKeyId: "S3RVER", secretAccessKey: "S3RVER" }

describe("a store that ignores conditions", () => {
  it.live("is refused before anything is written to it", () =>
    Effect.gen(function*() {
      const made = options(yield* liar, { credentials: S3Storage.credentials(liarKeys) })
      const log = yield* openLog(made)
      const error = yield* Effect.flip(log.acquire)
      assert.strictEqual(error._tag, "UnsafeStore")
      assert.include(error.message, "If-None-Match")
      assert.deepStrictEqual(yield* log.bounds, { lower: 0, upper: 0 })
      const client = yield* Effect.flip(Effect.provide(PersistClient.make(), S3Storage.layer(made)))
      assert.strictEqual(client._tag, "UnsafeStore")
    }))

  it.live("takes blobs", () =>
    Effect.gen(function*() {
      const blobs = yield* openBlob(options(yield* liar, { credentials: S3Storage.credentials(liarKeys) }))
      yield* blobs.put("a/b", new Uint8Array([1, 2, 3]))
      assert.deepStrictEqual(yield* blobs.get("a/b", { offset: 1, length: 1 }), Option.some(new Uint8Array([2])))
    }))
})

describe("a store that honours conditions only sometimes", () => {
  it.live("is refused where several creations at once succeed", () =>
    Effect.gen(function*() {
      const proxy = yield* Proxy.make((yield* fake).endpoint)
      let count = 0
      proxy.rewrite = (headers) => count++ < 4 ? withoutCondition(headers) : headers
      const error = yield* Effect.flip((yield* openLog(options(proxy.endpoint))).acquire)
      assert.strictEqual(error._tag, "UnsafeStore")
      assert.include(error.message, "4 of 4")
    }))

  it.live("is refused where a later creation succeeds", () =>
    Effect.gen(function*() {
      const proxy = yield* Proxy.make((yield* fake).endpoint)
      let count = 0
      proxy.rewrite = (headers) => count++ < 4 ? headers : withoutCondition(headers)
      const error = yield* Effect.flip((yield* openLog(options(proxy.endpoint))).acquire)
      assert.strictEqual(error._tag, "UnsafeStore")
      assert.include(error.message, "twice")
    }))

  it.live("is not refused because answers of the probe are lost", () =>
    Effect.gen(function*() {
      const proxy = yield* Proxy.make((yield* fake).endpoint)
      proxy.choose = (request) => {
        const isFirst = Proxy.isPut(request, "probe") && proxy.requests.length <= 4
        return isFirst ? "applied" : "pass"
      }
      assert.strictEqual((yield* (yield* openLog(options(proxy.endpoint))).acquire).epoch, 1)
    }))

  it.live("is probed once by an opener, and not by those who only read", () =>
    Effect.gen(function*() {
      const proxy = yield* Proxy.make((yield* fake).endpoint)
      const log = yield* openLog(options(proxy.endpoint))
      yield* log.bounds
      assert.deepStrictEqual(proxy.requests.filter((request) => request.startsWith("PUT")), [])
      yield* log.acquire
      const probes = () => proxy.requests.filter((request) => request.includes("/probe/")).length
      const first = probes()
      assert.isAbove(first, 0)
      yield* log.acquire
      assert.strictEqual(probes(), first)
    }))
})

const withoutCondition = (headers: http.IncomingHttpHeaders) => ({ ...headers, "if-none-match": undefined })

describe("requests", () => {
  const headersOf = Effect.fnUntraced(function*(more: Partial<S3Storage.Options>) {
    const proxy = yield* Proxy.make((yield* fake).endpoint)
    let found: http.IncomingHttpHeaders = {}
    proxy.rewrite = (headers) => (found = headers)
    yield* (yield* openBlob(options(proxy.endpoint, more))).get("key")
    return found
  })

  it.live("are signed with the keys of the environment where none are given", () =>
    Effect.gen(function*() {
      vi.stubEnv("AWS_ACCESS_KEY_ID", "of-the-environment")
      vi.stubEnv("AWS_SECRET_ACCESS_KEY", "secret")
      vi.stubEnv("AWS_SESSION_TOKEN", "token")
      const headers = yield* Effect.ensuring(
        headersOf({ credentials: undefined }),
        Effect.sync(() => vi.unstubAllEnvs())
      )
      assert.include(headers.authorization, "Credential=of-the-environment/")
      assert.strictEqual(headers["x-amz-security-token"], "token")
    }))

  it.live("are signed with the keys and for the region that are given", () =>
    Effect.gen(function*() {
      const credentials = S3Storage.credentials({ accessKeyId: "given", secretAccessKey: "s", sessionToken: "t" })
      const headers = yield* headersOf({ credentials, region: "eu-north-1" })
      assert.match(headers.authorization ?? "", /Credential=given\/\d+\/eu-north-1\//)
      assert.strictEqual(headers["x-amz-security-token"], "t")
    }))

  it.live("go to the host of the bucket where path style is switched off", () =>
    Effect.gen(function*() {
      const blobs = yield* openBlob(options("http://s3.invalid", { forcePathStyle: false }))
      assert.include((yield* Effect.flip(blobs.get("key"))).message, `${bucket}.s3.invalid`)
    }))

  it.live("of a bucket that is not there say so", () =>
    Effect.gen(function*() {
      const log = yield* openLog(
        options(yield* liar, { bucket: "nowhere", credentials: S3Storage.credentials(liarKeys) })
      )
      const error = yield* Effect.flip(log.acquire)
      assert.strictEqual(error._tag, "NotAStore")
      assert.include(error.message, "no such bucket")
    }))
})
