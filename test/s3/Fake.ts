/**
 * The part of S3 that the library uses, in memory and in this process, for where there is no gateway. It checks no
 * signatures. The contract suites hold it against the library exactly as they do the gateway.
 */
import { Effect, type Scope } from "effect"
import http from "node:http"
import type { AddressInfo } from "node:net"

export interface Fake {
  readonly endpoint: string
  readonly objects: Map<string, Buffer>
  readonly uploads: Map<string, Map<number, Buffer>>
}

interface Answer {
  readonly status: number
  readonly body?: Buffer | string
  readonly headers?: Record<string, string>
}

/** Few, so that listings have many pages. */
const pageSize = 5

const error = (status: number, code: string): Answer => ({
  status,
  body: `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>${code}</Message></Error>`,
  headers: { "content-type": "application/xml" }
})

const xml = (body: string): Answer => ({
  status: 200,
  body: `<?xml version="1.0" encoding="UTF-8"?>${body}`,
  headers: { "content-type": "application/xml" }
})

export const fake: Effect.Effect<Fake, never, Scope.Scope> = Effect.map(
  Effect.acquireRelease(Effect.promise(start), ({ server }) =>
    Effect.promise(() => {
      server.closeAllConnections()
      return new Promise((resolve) => void server.close(resolve))
    })),
  ({ fake }) => fake
)

async function start() {
  const objects = new Map<string, Buffer>()
  const uploads = new Map<string, Map<number, Buffer>>()
  let begun = 0

  const put = (key: string, body: Buffer, request: http.IncomingMessage): Answer => {
    if (request.headers["if-none-match"] === "*" && objects.has(key)) return error(412, "PreconditionFailed")
    objects.set(key, body)
    return { status: 200, headers: { etag: "\"0\"" } }
  }

  const get = (key: string, range: string | undefined): Answer => {
    const object = objects.get(key)
    if (object === undefined) return error(404, "NoSuchKey")
    if (range === undefined) return { status: 200, body: object }
    const [first, last] = range.slice("bytes=".length).split("-").map(Number)
    if (first! >= object.length) return error(416, "InvalidRange")
    const body = object.subarray(first, last! + 1)
    const headers = { "content-range": `bytes ${first}-${first! + body.length - 1}/${object.length}` }
    return { status: 206, body, headers }
  }

  const list = (query: URLSearchParams): Answer => {
    const after = query.get("continuation-token") ?? ""
    const keys = [...objects.keys()].filter((key) => key.startsWith(query.get("prefix") ?? "") && key > after)
      .toSorted()
    const page = keys.slice(0, pageSize)
    const contents = page.map((key) => `<Contents><Key>${key}</Key><Size>${objects.get(key)!.length}</Size></Contents>`)
      .join("")
    const more = keys.length > pageSize ? `<NextContinuationToken>${page.at(-1)}</NextContinuationToken>` : ""
    return xml(`<ListBucketResult><IsTruncated>${more !== ""}</IsTruncated>${contents}${more}</ListBucketResult>`)
  }

  const complete = (key: string, id: string, request: http.IncomingMessage): Answer => {
    const parts = uploads.get(id)
    if (parts === undefined) return error(404, "NoSuchUpload")
    const sorted = [...parts].toSorted(([a], [b]) => a - b).map(([, part]) => part)
    const answer = put(key, Buffer.concat(sorted), request)
    if (answer.status !== 200) return answer
    uploads.delete(id)
    return xml("<CompleteMultipartUploadResult></CompleteMultipartUploadResult>")
  }

  const answerTo = (request: http.IncomingMessage, body: Buffer): Answer => {
    const url = new URL(request.url!, "http://fake")
    const [, , ...rest] = decodeURIComponent(url.pathname).split("/")
    const key = rest.join("/")
    const query = url.searchParams
    const upload = query.get("uploadId")
    if (key === "") return request.method === "GET" ? list(query) : { status: 200 }
    if (request.method === "GET") return get(key, request.headers.range)
    if (request.method === "POST" && query.has("uploads")) {
      const id = String(++begun)
      uploads.set(id, new Map())
      return xml(
        `<InitiateMultipartUploadResult><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`
      )
    }
    if (request.method === "POST") return complete(key, upload!, request)
    if (request.method === "DELETE") {
      const isThere = upload === null ? [objects.delete(key)].length > 0 : uploads.delete(upload)
      return isThere ? { status: 204 } : error(404, "NoSuchUpload")
    }
    if (upload === null) return put(key, body, request)
    const parts = uploads.get(upload)
    parts?.set(Number(query.get("partNumber")), body)
    return parts === undefined ? error(404, "NoSuchUpload") : { status: 200, headers: { etag: "\"0\"" } }
  }

  const server = http.createServer((request, response) => {
    const chunks: Array<Buffer> = []
    request.on("data", (chunk: Buffer) => chunks.push(chunk))
    request.on("end", () => {
      const { body = "", headers, status } = answerTo(request, Buffer.concat(chunks))
      response.writeHead(status, { "content-length": Buffer.byteLength(body), ...headers })
      response.end(body)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const { port } = server.address() as AddressInfo
  return { server, fake: { endpoint: `http://127.0.0.1:${port}`, objects, uploads } satisfies Fake }
}
