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
  /** Lets nothing through for a while, in either direction, without a notice. What was on its way is lost. */
  readonly isolate: (during: Effect.Effect<void>) => Effect.Effect<void>
}

export const make = Effect.fnUntraced(function*(server: { readonly url: string }) {
  const target = Number(new URL(server.url).port)
  const clients = new Set<Socket>()
  const upstreams = new Set<Socket>()
  let isIsolated = false
  const listener = createServer({ allowHalfOpen: true }, (client) => {
    const upstream = connect({ port: target, host: "127.0.0.1", allowHalfOpen: true })
    clients.add(client)
    upstreams.add(upstream)
    client.on("error", () => {})
    upstream.on("error", () => client.destroy())
    client.on("data", (bytes) => {
      if (!isIsolated) upstream.write(bytes)
    })
    client.on("end", () => void upstream.end())
    upstream.on("data", (bytes) => {
      if (!client.destroyed && !isIsolated) client.write(bytes)
    })
    upstream.on("end", () => void client.end())
    upstream.on("close", () => client.destroy())
    client.on("close", () => void clients.delete(client))
    upstream.on("close", () => void upstreams.delete(upstream))
  }).listen(0, "127.0.0.1")
  yield* Effect.promise(() => once(listener, "listening"))
  const disconnect = (): void => {
    for (const socket of [...clients, ...upstreams]) socket.destroy()
  }
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      listener.close()
      disconnect()
    })
  )
  const address = listener.address()
  const port = typeof address === "object" && address !== null ? address.port : 0
  const proxy: Proxy = {
    through: (url) => url.replace(`:${target}/`, `:${port}/`),
    cut: Effect.sync(() => clients.forEach((client) => client.destroy())),
    isolate: (during) =>
      Effect.acquireUseRelease(
        Effect.sync(() => void (isIsolated = true)),
        () => during,
        () =>
          Effect.sync(() => {
            isIsolated = false
            disconnect()
          })
      )
  }
  return proxy
})
