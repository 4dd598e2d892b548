/**
 * A typed client of the HTTP API.
 *
 * @since 0.1.0
 */
import type { Effect, Redacted } from "effect"
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

/**
 * Makes a client over the `HttpClient` in the context, such as that of `FetchHttpClient.layer`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = ({ baseUrl, token }: Options): Effect.Effect<Client, never, HttpClient.HttpClient> =>
  HttpApiClient.make(Api, {
    baseUrl,
    ...(token !== undefined && { transformClient: HttpClient.mapRequest(HttpClientRequest.bearerToken(token)) })
  })
