/**
 * A TCP proxy before a server, whose connections can be cut without the server noticing that its client is gone.
 */
import { Effect } from "effect"
import { once } from "node:events"
import { connect, createServer, type Socket } from "node:net"

export interface Proxy {
  /** The URL of a store, through the proxy. */
  readonly through: (url: string) => string
  /** Breaks the connections that there are, towards the clients only. */
  readonly cut: Effect.Effect<void>
}

export const make = Effect.fnUntraced(function*(server: { readonly url: string }) {
  const target = Number(new URL(server.url).port)
  const clients = new Set<Socket>()
  const upstreams = new Set<Socket>()
  const listener = createServer({ allowHalfOpen: true }, (client) => {
    const upstream = connect({ port: target, host: "127.0.0.1", allowHalfOpen: true })
    clients.add(client)
    upstreams.add(upstream)
    client.on("error", () => {})
    upstream.on("error", () => client.destroy())
    client.on("data", (bytes) => void upstream.write(bytes))
    client.on("end", () => void upstream.end())
    upstream.on("data", (bytes) => {
      if (!client.destroyed) client.write(bytes)
    })
    upstream.on("close", () => client.destroy())
    client.on("close", () => void clients.delete(client))
  }).listen(0, "127.0.0.1")
  yield* Effect.promise(() => once(listener, "listening"))
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      listener.close()
      for (const socket of [...clients, ...upstreams]) socket.destroy()
    })
  )
  const address = listener.address()
  const port = typeof address === "object" && address !== null ? address.port : 0
  const proxy: Proxy = {
    through: (url) => url.replace(`:${target}/`, `:${port}/`),
    cut: Effect.sync(() => clients.forEach((client) => client.destroy()))
  }
  return proxy
})
