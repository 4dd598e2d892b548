/**
 * Rejects requests that would be read differently from how they were sent: bytes that are not UTF-8, and integers that
 * would be rounded. Bodies are read only after the token was checked.
 *
 * @internal
 */
import { Effect, Layer, Result } from "effect"
import { HttpServerRequest } from "effect/http"
import * as ExactJson from "../ExactJson.ts"
import * as Api from "./Api.ts"
import * as Problem from "./Problem.ts"

const decoder = new TextDecoder("utf-8", { fatal: true })

const refuse = (detail: string) => Effect.fail(new Problem.Inexact({ detail }))

/** Names only positions that the API itself defines: the contents of a key or a value belong to the user. */
const placeOf = ([list, index, field]: ReadonlyArray<string>): string =>
  index === undefined ? (list ?? "it") : `${list}[${index}]${field === undefined ? "" : `.${field}`}`

const checkText = (text: string, place: (path: ReadonlyArray<string>) => string) => {
  const found = Result.try(() => ExactJson.findInexact(text))
  // The handler rejects what is not JSON.
  if (Result.isFailure(found) || found.success === undefined) return Effect.void
  return refuse(`${place(found.success)} ${ExactJson.refusal}`)
}

const checkBody = Effect.gen(function*() {
  const request = yield* HttpServerRequest.HttpServerRequest
  if (request.method !== "POST") return
  const bytes = yield* Effect.orDie(request.arrayBuffer)
  const text = Result.try(() => decoder.decode(bytes))
  return yield* Result.isFailure(text)
    ? refuse("the body is not UTF-8: encode it as UTF-8, or bytes as {\"$bytes\":\"<base64>\"}")
    : checkText(text.success, placeOf)
})

const checkKey = Effect.flatMap(
  HttpServerRequest.ParsedSearchParams,
  ({ key }) => typeof key === "string" ? checkText(key, () => "the key") : Effect.void
)

/** The middleware of the API. */
export const layer: Layer.Layer<Api.Exact> = Layer.succeed(
  Api.Exact,
  (handler) => checkKey.pipe(Effect.andThen(checkBody), Effect.andThen(handler))
)
