/**
 * Entity tags: a client that has a response already is answered 304, without a body.
 *
 * A tag is of the bytes of a response, so that it is right whatever the response depends on. Streams have none.
 *
 * @internal
 */
import { type HttpServerRequest, HttpServerResponse } from "effect/http"
import * as Platform from "../Platform.ts"

type Request = Pick<HttpServerRequest.HttpServerRequest, "headers" | "method">

/** Weak, as the same response may be sent compressed or not. */
const tagOf = (bytes: Uint8Array): string => `W/"${Platform.sha256(bytes).slice(0, 32)}"`

/** Weak comparison (RFC 9110, section 8.8.3.2). */
const isKnown = (header: string | undefined, tag: string): boolean =>
  header !== undefined &&
  (header.trim() === "*" ||
    header.split(",").some((known) => known.trim().replace(/^W\//, "") === tag.replace(/^W\//, "")))

/** The response with its tag, or 304 where the client has it. */
export const conditional = (
  { headers, method }: Request,
  response: HttpServerResponse.HttpServerResponse
): HttpServerResponse.HttpServerResponse => {
  const { body, status } = response
  if (status !== 200 || body._tag !== "Uint8Array" || (method !== "GET" && method !== "HEAD")) return response
  const etag = tagOf(body.body)
  // Without this, caches would guess for how long the response is fresh.
  const cached = response.headers["cache-control"] ?? "private, no-cache"
  return isKnown(headers["if-none-match"], etag)
    ? HttpServerResponse.empty({ status: 304, headers: { etag, "cache-control": cached } })
    : HttpServerResponse.setHeaders(response, { etag, "cache-control": cached })
}
