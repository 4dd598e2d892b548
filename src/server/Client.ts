/**
 * A typed client of the HTTP API.
 *
 * @since 0.1.0
 */
import { Context, Effect, type Redacted } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import { HttpApiClient } from "effect/http-api"
import { Api } from "./Api.ts"

/**
 * Where the server is, and its token, if it has one.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly baseUrl: string
  readonly token?: Redacted.Redacted | undefined
}

/**
 * The endpoints of `Api` as functions: `client.collections.write({ params, payload })`.
 *
 * @category models
 * @since 0.1.0
 */
export type Client = HttpApiClient.ForApi<typeof Api>

/** The key of the changes in an effect. */
const Key = Context.Reference<string | undefined>("tidemark/server/Client/Key", { defaultValue: () => undefined })

/**
 * Names a change by a key, such as a UUID drawn for it. When the answer is lost, the same change can be sent again under
 * the same key: it happens once, and the answer is the first one. So an `append` that won knows it.
 *
 * @example
 * ```ts
 * import { Effect, Schedule } from "effect"
 * import { Client } from "tidemark/server"
 *
 * export const placed = (client: Client.Client, id: string) =>
 *   client.collections.write({
 *     params: { name: "orders" },
 *     payload: { updates: [{ key: id, value: "placed", time: 1 }] }
 *   }).pipe(Client.once(`place ${id}`.replaceAll(" ", "-")), Effect.retry(Schedule.recurs(3)))
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const once = (key: string) => <A, E, R>(change: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.provideService(change, Key, key)

const keyed = HttpClient.mapRequestEffect((request: HttpClientRequest.HttpClientRequest) =>
  Effect.map(Key, (key) => key === undefined ? request : HttpClientRequest.setHeader(request, "idempotency-key", key))
)

/**
 * Makes a client over the `HttpClient` in the context, such as that of `FetchHttpClient.layer`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = ({ baseUrl, token }: Options): Effect.Effect<Client, never, HttpClient.HttpClient> =>
  HttpApiClient.make(Api, {
    baseUrl,
    transformClient: (client) =>
      keyed(token === undefined ? client : HttpClient.mapRequest(client, HttpClientRequest.bearerToken(token)))
  })
