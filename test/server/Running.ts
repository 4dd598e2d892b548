// A real server over a store in memory, on a free port of the loopback interface.
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { Context, Effect, Layer } from "effect"
import { FetchHttpClient, HttpServer } from "effect/http"
import { createServer } from "node:http"
import { connect } from "node:net"
import * as PersistClient from "../../src/client/PersistClient.ts"
import * as Codec from "../../src/Codec.ts"
import * as Client from "../../src/server/Client.ts"
import * as Server from "../../src/server/Server.ts"
import * as Store from "../utils/Store.ts"

export const start = Effect.fnUntraced(function*(options: Server.Options = {}, store: PersistClient.Options = {}) {
  const persist = yield* Effect.flatMap(Store.memory, (storage) => Store.client(storage, { ...Store.quiet, ...store }))
  return { persist, ...yield* serve(persist, options) }
})

/** A server over a store that is open. */
export const serve = Effect.fnUntraced(function*(
  persist: PersistClient.PersistClient["Service"],
  options: Server.Options = {}
) {
  const http = NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 0, gracefulShutdownTimeout: 0 })
  const running = yield* Layer.build(
    Server.layer(options).pipe(
      Layer.provide(Layer.succeed(PersistClient.PersistClient, persist)),
      Layer.provideMerge(http)
    )
  )
  const { address } = Context.get(running, HttpServer.HttpServer)
  const port = "port" in address ? address.port : 0
  const url = `http://127.0.0.1:${port}`
  const client = yield* Client.make({ baseUrl: url, token: options.token }).pipe(Effect.provide(FetchHttpClient.layer))
  return { url, port, client: client.collections }
})

/** A collection of JSON with some contents: `a` until 5, `b` since 3, sealed up to 10. */
export const orders = Effect.fnUntraced(function*(persist: PersistClient.PersistClient["Service"], name = "orders") {
  const { reader, writer } = yield* persist.createOrLoad(name, { key: Codec.json, value: Codec.json })
  yield* writer.append([
    { key: "a", value: { n: 1 }, time: 1, diff: 1 },
    { key: "b", value: null, time: 3, diff: 2 },
    { key: "a", value: { n: 1 }, time: 5, diff: -1 }
  ])
  yield* writer.seal(10)
  return { reader, writer }
})

export interface Answer {
  readonly status: number
  readonly type: string | null
  readonly headers: Headers
  readonly body: unknown
}

/** The answer to a plain request. */
export const ask = (url: string, init: RequestInit = {}): Effect.Effect<Answer> =>
  Effect.promise(async (signal) => {
    const response = await fetch(url, { ...init, signal })
    const text = await response.text()
    const type = response.headers.get("content-type")
    const body: unknown = type?.includes("json") && !type.includes("ndjson") ? JSON.parse(text) : text
    return { status: response.status, type, headers: response.headers, body }
  })

export const post = (url: string, body: unknown, headers: Readonly<Record<string, string>> = {}) =>
  ask(url, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body)
  })

/** What comes back for bytes as they are, until the server closes the connection. */
export const raw = (port: number, request: string): Effect.Effect<string> =>
  Effect.promise(async () => {
    const socket = connect(port, "127.0.0.1")
    socket.write(request)
    let text = ""
    for await (const chunk of socket.setEncoding("utf8")) text += chunk
    return text
  })

/** A connection whose answer has begun. */
export const connected = (url: string) =>
  Effect.promise(async () => {
    const abort = new AbortController()
    const { status } = await fetch(url, { signal: abort.signal })
    return { status, close: () => abort.abort() }
  })
