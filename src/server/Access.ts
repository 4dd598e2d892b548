/**
 * Who may use the server: whoever has its token; where there is none, programs of this machine.
 *
 * @internal
 */
import { Effect, Layer, Redacted } from "effect"
import * as Mac from "effect/crypto/Mac"
import { HttpServerRequest } from "effect/http"
import * as Api from "./Api.ts"
import * as Problem from "./Problem.ts"

const encoder = new TextEncoder()

const matches = (token: Redacted.Redacted, given: Redacted.Redacted): boolean =>
  Mac.timingSafeEqual(encoder.encode(Redacted.value(token)), encoder.encode(Redacted.value(given)))

const refused = (given: Redacted.Redacted) =>
  new Problem.Unauthorized({
    detail: Redacted.value(given) === ""
      ? "send the header Authorization: Bearer <token>"
      : "this is not the token of this server"
  })

const check = (token: Redacted.Redacted | undefined, given: Redacted.Redacted) =>
  token === undefined || matches(token, given) ? Effect.void : Effect.fail(refused(given))

/** The middleware of the API. */
export const layer = (token: Redacted.Redacted | undefined): Layer.Layer<Api.Authorization> =>
  Layer.succeed(Api.Authorization, {
    bearer: (handler, { credential }) => Effect.andThen(check(token, credential), handler)
  })

/** For what is not in the API: fails without the token. */
export const required = (token: Redacted.Redacted | undefined) =>
  Effect.flatMap(
    HttpServerRequest.HttpServerRequest,
    ({ headers }) => check(token, Redacted.make(/^bearer +(.+)$/i.exec(headers["authorization"] ?? "")?.[1] ?? ""))
  )

const loopback = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?$/i

/**
 * Whether the request comes from a page of another site. A browser sends those to this machine as well: a name that the
 * other site controls may point here, which shows in `Host`, and a form may be sent here, which shows in `Origin`.
 */
export const isForeign = ({ headers }: Pick<HttpServerRequest.HttpServerRequest, "headers">): boolean => {
  const host = headers["host"] ?? ""
  const origin = headers["origin"]
  return !loopback.test(host) || (origin !== undefined && origin.replace(/^https?:\/\//, "") !== host)
}
