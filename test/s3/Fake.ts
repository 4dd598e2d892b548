/**
 * An S3 server in this process, for the bucket of the tests: the part of the protocol that the library uses, and the
 * conditions of writes that it relies on. It checks no signatures. What it means is in `Objects.ts`; the contract suites and
 * `Fake.test.ts` hold it, and a real gateway where there is one, to the same.
 */
import { Effect, type Scope } from "effect"
import http from "node:http"
import type { AddressInfo } from "node:net"
import { bucket } from "./Buckets.ts"
import * as Objects from "./Objects.ts"

export interface Fake {
  readonly endpoint: string
  readonly objects: Objects.Objects["objects"]
  readonly uploads: Objects.Objects["uploads"]
}

interface Answer {
  readonly status: number
  readonly body?: Buffer | string
  readonly headers?: Record<string, string>
}

interface Request {
  readonly method: string
  readonly key: string
  readonly query: URLSearchParams
  readonly body: Buffer
  readonly range: string | undefined
  readonly condition: Objects.Condition
}

/** Few, so that listings have many pages. */
const pageSize = 5

const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll("\"", "&quot;")

const xml = (status: number, body: string): Answer => ({
  status,
  body: `<?xml version="1.0" encoding="UTF-8"?>${body}`,
  headers: { "content-type": "application/xml" }
})

const refused = ({ code, status }: Objects.Refused): Answer =>
  status === 304 ? { status } : xml(status, `<Error><Code>${code}</Code><Message>${code}</Message></Error>`)

const isRefused = (result: unknown): result is Objects.Refused => result instanceof Objects.Refused

const tagged = (result: Objects.Stored | Objects.Refused): Answer =>
  isRefused(result) ? refused(result) : { status: 200, headers: { etag: result.etag } }

const gone = (result: Objects.Refused | undefined): Answer => result === undefined ? { status: 204 } : refused(result)

/** The bytes of an object, or those of a range of it. */
const sent = ({ bytes, etag }: Objects.Stored, range: string | undefined): Answer => {
  const found = /^bytes=(\d+)-(\d*)$/.exec(range ?? "")
  if (found === null) return { status: 200, body: bytes, headers: { etag, "accept-ranges": "bytes" } }
  const first = Number(found[1])
  if (first >= bytes.length) return refused(new Objects.Refused(416, "InvalidRange"))
  const body = bytes.subarray(first, found[2] === "" ? undefined : Number(found[2]) + 1)
  const place = `bytes ${first}-${first + body.length - 1}/${bytes.length}`
  return { status: 206, body, headers: { etag, "accept-ranges": "bytes", "content-range": place } }
}

const listed = (objects: Objects.Objects, query: URLSearchParams): Answer => {
  const after = query.get("continuation-token") ?? query.get("start-after") ?? ""
  const size = Math.min(pageSize, Number(query.get("max-keys") ?? pageSize))
  const { contents, next } = objects.list(query.get("prefix") ?? "", after, size)
  const each = contents.map(({ etag, key, size }) =>
    `<Contents><Key>${escaped(key)}</Key><Size>${size}</Size><ETag>${escaped(etag)}</ETag></Contents>`
  )
  const more = next === undefined ? "" : `<NextContinuationToken>${escaped(next)}</NextContinuationToken>`
  const isTruncated = `<IsTruncated>${next !== undefined}</IsTruncated><KeyCount>${contents.length}</KeyCount>`
  return xml(200, `<ListBucketResult>${isTruncated}${each.join("")}${more}</ListBucketResult>`)
}

const partsOf = (body: Buffer): ReadonlyArray<readonly [number, string]> =>
  [...body.toString().matchAll(/<Part>(.*?)<\/Part>/gs)].map(([, part = ""]) => [
    Number(/<PartNumber>(\d+)<\/PartNumber>/.exec(part)?.[1]),
    (/<ETag>(.*?)<\/ETag>/.exec(part)?.[1] ?? "").replaceAll("&quot;", "\"")
  ])

const ofUpload = (objects: Objects.Objects, id: string, { body, condition, key, method, query }: Request): Answer => {
  if (method === "DELETE") return gone(objects.abort(key, id))
  if (method === "PUT") return tagged(objects.part(key, id, Number(query.get("partNumber")), body))
  const result = objects.complete(key, id, partsOf(body), condition)
  return isRefused(result)
    ? refused(result)
    : xml(200, `<CompleteMultipartUploadResult><ETag>${escaped(result.etag)}</ETag></CompleteMultipartUploadResult>`)
}

const ofObject = (objects: Objects.Objects, request: Request): Answer => {
  const { body, condition, key, method, query, range } = request
  const upload = query.get("uploadId")
  if (upload !== null) return ofUpload(objects, upload, request)
  if (method === "POST" && query.has("uploads")) {
    const id = objects.begin(key)
    return xml(200, `<InitiateMultipartUploadResult><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`)
  }
  if (method === "PUT") return tagged(objects.put(key, body, condition))
  if (method === "DELETE") return gone(objects.remove(key, condition))
  if (method !== "GET" && method !== "HEAD") return refused(new Objects.Refused(405, "MethodNotAllowed"))
  const found = objects.get(key, condition)
  return isRefused(found) ? refused(found) : sent(found, range)
}

const answerTo = (objects: Objects.Objects, message: http.IncomingMessage, body: Buffer): Answer => {
  const { pathname, searchParams: query } = new URL(message.url!, "http://fake")
  const [, name, ...rest] = pathname.split("/").map(decodeURIComponent)
  const key = rest.join("/")
  const { headers, method = "" } = message
  if (name !== bucket) return refused(new Objects.Refused(404, "NoSuchBucket"))
  if (key === "") return method === "GET" ? listed(objects, query) : { status: 200 }
  const condition = { ifMatch: headers["if-match"], ifNoneMatch: headers["if-none-match"] }
  return ofObject(objects, { method, key, query, body, range: headers.range, condition })
}

const start = async () => {
  const objects = Objects.make()
  const server = http.createServer((request, response) => {
    const chunks: Array<Buffer> = []
    request.on("data", (chunk: Buffer) => chunks.push(chunk))
    request.on("end", () => {
      const { body = "", headers, status } = answerTo(objects, request, Buffer.concat(chunks))
      response.writeHead(status, { "content-length": Buffer.byteLength(body), ...headers })
      response.end(request.method === "HEAD" ? undefined : body)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const { port } = server.address() as AddressInfo
  const fake: Fake = { endpoint: `http://127.0.0.1:${port}`, objects: objects.objects, uploads: objects.uploads }
  return { server, fake }
}

/** A server with an empty bucket, until the scope closes. */
export const fake: Effect.Effect<Fake, never, Scope.Scope> = Effect.map(
  Effect.acquireRelease(Effect.promise(start), ({ server }) =>
    Effect.promise(() => {
      server.closeAllConnections()
      return new Promise((resolve) => void server.close(resolve))
    })),
  ({ fake }) => fake
)
