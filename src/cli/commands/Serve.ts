/**
 * `tidemark serve`: a store over HTTP.
 *
 * @internal
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { Context, Effect, Layer, Option, Schedule } from "effect"
import { Command, Flag } from "effect/cli"
import { FetchHttpClient, HttpServer } from "effect/http"
import { Otlp, OtlpSerialization } from "effect/observability"
import { readFile } from "node:fs/promises"
import { createServer } from "node:http"
import { join } from "node:path"
import { PersistClient } from "../../client/PersistClient.ts"
import * as Server from "../../server/Server.ts"
import { Failure, Usage } from "../Failure.ts"
import * as Output from "../Output.ts"
import { common } from "../Root.ts"
import * as Store from "../Store.ts"
import * as Tokens from "../Tokens.ts"

/** A server that also answers in the short time while it listens and no handler is installed yet. */
const answering = () => {
  const server = createServer((_, response) => {
    if (server.listenerCount("request") > 1) return
    response.writeHead(503, { "retry-after": "1", connection: "close" }).end()
  })
  return server
}

let hasStopped = false

/** The exit code after SIGTERM, which is the usual request to stop a server: it counts as success. */
export const terminationCode = (): number => hasStopped ? 0 : 143

/** For how long a server whose store has ended reports that. */
const farewell = "500 millis"

/** A server on standby retries every second, and reports once that it does. */
const waiting = {
  schedule: Schedule.spaced("1 second").pipe(
    Schedule.tap(({ attempt, input }) =>
      attempt === 1 ? Output.note(`standing by: ${input instanceof Error ? input.message : input}`) : Effect.void
    )
  ),
  while: ({ _tag }: { readonly _tag: string }) => _tag === "Locked" || _tag === "Fenced"
}

/**
 * Sends metrics, traces and logs to the endpoint that the OpenTelemetry variables configure, and only those that they
 * enable.
 */
const telemetry = Otlp.layerFromConfig({ resource: { serviceName: "tidemark" } }).pipe(
  Layer.provide([OtlpSerialization.layerJson, FetchHttpClient.layer])
)

/** Recordings by the names of their files. The server has checked that a name is no path. */
const recordedIn = (directory: string) => (name: string) =>
  Effect.promise(() => readFile(join(directory, name), "utf8").catch(() => undefined))

export const serve = Command.make(
  "serve",
  {
    host: Flag.String("host").pipe(
      Flag.withDescription("The address to listen on (default: 127.0.0.1)"),
      Flag.withDefault("127.0.0.1")
    ),
    port: Flag.Int("port").pipe(
      Flag.withDescription("The port to listen on; 0 takes a free one (default: 4437)"),
      Flag.withDefault(4437)
    ),
    tokens: Flag.File("tokens").pipe(
      Flag.withDescription(
        "A JSON file of tokens and what they allow: [{\"token\",\"rights\":\"read\"|\"write\",\"collections\":[\"orders\",\"metrics-*\"]}]"
      ),
      Flag.optional
    ),
    cors: Flag.String("cors").pipe(
      Flag.withDescription(
        "An origin whose pages may use the server from a browser, as https://app.example.org; repeatable"
      ),
      Flag.between(0, 100)
    ),
    readOnly: Flag.Boolean("read-only").pipe(
      Flag.withDescription("Only read, beside a process that writes"),
      Flag.withDefault(false)
    ),
    recordings: Flag.Directory("recordings").pipe(
      Flag.withDescription(
        "A directory of what simulate --save has written: the page opens FILE in it at /?recording=FILE"
      ),
      Flag.optional
    ),
    standby: Flag.Boolean("standby").pipe(
      Flag.withDescription(
        "Wait while another process has the store, and serve it once that one is gone; for files only"
      ),
      Flag.withDefault(false)
    )
  },
  Effect.fn(function*({ cors, host, port, readOnly, recordings, standby, tokens }) {
    const { directory, json, storage } = yield* common
    const allowed = yield* Tokens.allowed(host, tokens)
    if (standby && (readOnly || Option.isNone(directory))) {
      return yield* new Usage({
        message: readOnly
          ? "--standby waits to write, and --read-only never writes: give one of them"
          : "--standby needs the lock of a store in files: nothing says when the writer of a database or a bucket is gone"
      })
    }
    const announce = Effect.flatMap(HttpServer.HttpServer, (server) => {
      const url = HttpServer.formatAddress(server.address)
      return json ? Output.json({ url }) : Output.line(`serving at ${url}`)
    })
    const http = NodeHttpServer.layer(answering, { host, port, gracefulShutdownTimeout: "1 second" })
    const server = Server.layer({
      ...allowed,
      origins: cors,
      recordings: Option.getOrUndefined(Option.map(recordings, recordedIn))
    })
    // It listens once the store is open: clients retry refused connections, also event sources.
    const opened = Layer.provideMerge(http, readOnly ? Store.reading(storage) : Store.writing(storage))
    const serving = Effect.gen(function*() {
      const running = yield* Layer.build(
        Layer.provideMerge(Layer.provide(Layer.effectDiscard(announce), server), [opened, telemetry])
      )
      const { ended } = Context.get(running, PersistClient)
      // By then the reason has been delivered to all connected clients.
      return yield* Effect.tapError(ended, () => Effect.sleep(farewell))
    }).pipe(
      Effect.scoped,
      Effect.onInterrupt(() => Effect.sync(() => void (hasStopped = true))),
      Effect.catchTag("ServeError", ({ cause }) =>
        Effect.fail(
          new Failure({
            message: `cannot listen on ${host}:${port}: ${cause instanceof Error ? cause.message : String(cause)}`
          })
        ))
    )
    return yield* standby ? Effect.retry(serving, waiting) : serving
  })
).pipe(
  Command.withDescription(
    "Serve the store over HTTP: an API with its description at /openapi.json, subscriptions as server-sent events, " +
      "metrics at /metrics, and a page to look at collections. Without a token, only programs of this machine are " +
      "answered."
  ),
  Command.withShortDescription("Serve the store over HTTP"),
  Command.withExamples([
    { command: "tidemark serve", description: "For this machine" },
    { command: "TIDEMARK_TOKEN=... tidemark serve --host 0.0.0.0", description: "For others, with a token" },
    { command: "tidemark serve --standby", description: "As soon as the process that serves it is gone" },
    { command: "tidemark serve --read-only --port 4438", description: "Beside a process that writes" }
  ])
)
