/**
 * An HTTP proxy before a store that makes requests go wrong in the ways of a network.
 */
import { Effect, type Scope } from "effect"
import http from "node:http"
import type { AddressInfo } from "node:net"

/**
 * - `pass`: nothing goes wrong.
 * - a status: the store is not asked, and this is answered.
 * - `lost`: the connection ends before the request arrives.
 * - `applied`: the store carries the request out, and the connection ends before the answer arrives.
 * - `applied500`: the store carries the request out, and the answer is 500.
 * - `cut`: the connection ends in the middle of the answer's body.
 * - `stale`: a listing is answered as it was the first time.
 * - an effect: the request waits for it on its way to the store.
 */
export type Fault = "pass" | number | "lost" | "applied" | "applied500" | "cut" | "stale" | Effect.Effect<unknown>

export interface Request {
  readonly method: string
  /** The path and query. */
  readonly url: string
  readonly headers: http.IncomingHttpHeaders
}

export interface Proxy {
  readonly endpoint: string
  /** Says what becomes of each request. */
  choose: (request: Request) => Fault
  /** Changes the headers of each request on its way to the store. */
  rewrite: (headers: http.IncomingHttpHeaders) => http.IncomingHttpHeaders
  /** Every request that was made, as `METHOD url`. */
  readonly requests: Array<string>
}

interface Answer {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly body: Buffer
}

const bodyOf = async (message: http.IncomingMessage): Promise<Buffer> => {
  const chunks: Array<Buffer> = []
  for await (const chunk of message) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

/** The request's own `host` goes along, since it is signed. */
const forward = (target: URL, { headers, method, url }: Request, body: Buffer): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const { hostname, port } = target
    const sent = Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== undefined))
    const request = http.request({ hostname, port, method, path: url, headers: sent, agent }, (response) => {
      bodyOf(response).then(
        (found) => resolve({ status: response.statusCode!, headers: response.headers, body: found }),
        reject
      )
    })
    request.on("error", reject)
    request.end(body)
  })

const agent = new http.Agent({ keepAlive: true })

export const make = (endpoint: string): Effect.Effect<Proxy, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(Effect.promise(() => start(new URL(endpoint))), ({ server }) =>
      Effect.promise(() => {
        server.closeAllConnections()
        return new Promise((resolve) => void server.close(resolve))
      })),
    ({ proxy }) => proxy
  )

const start = async (target: URL) => {
  const listings = new Map<string, Answer>()

  const handle = async (request: Request, body: Buffer, response: http.ServerResponse) => {
    proxy.requests.push(`${request.method} ${request.url}`)
    const fault = proxy.choose(request)
    if (typeof fault === "number") return respond(response, { status: fault, headers: {}, body: Buffer.alloc(0) })
    if (fault === "lost") return response.destroy()
    if (Effect.isEffect(fault)) await Effect.runPromise(fault)
    const answer = await forward(target, { ...request, headers: proxy.rewrite(request.headers) }, body)
    if (fault === "applied") return response.destroy()
    if (fault === "applied500") return respond(response, { status: 500, headers: {}, body: Buffer.alloc(0) })
    if (fault === "cut" && answer.body.length > 1) return cut(response, answer)
    if (!listings.has(request.url)) listings.set(request.url, answer)
    return respond(response, fault === "stale" ? listings.get(request.url)! : answer)
  }

  const server = http.createServer((message, response) => {
    const request = { method: message.method!, url: message.url!, headers: message.headers }
    bodyOf(message).then((body) => handle(request, body, response)).catch(() => response.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const { port } = server.address() as AddressInfo
  const proxy: Proxy = {
    endpoint: `http://127.0.0.1:${port}`,
    choose: () => "pass",
    rewrite: (headers) => headers,
    requests: []
  }
  return { server, proxy }
}

const respond = (response: http.ServerResponse, { body, headers, status }: Answer): void => {
  const { "transfer-encoding": _, ...kept } = headers
  response.writeHead(status, { ...kept, "content-length": body.length })
  response.end(body)
}

const cut = (response: http.ServerResponse, { body, headers, status }: Answer): void => {
  response.writeHead(status, { ...headers, "content-length": body.length })
  response.write(body.subarray(0, body.length >> 1), () => response.destroy())
}

/** Requests that change what is stored under keys of this kind. */
export const isPut = ({ method, url }: Request, folder: string): boolean =>
  method === "PUT" && url.includes(`/${folder}/`)
