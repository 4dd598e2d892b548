/**
 * Saved histories of simulations, by their names, for links of the inspector such as `?recording=failed.json`.
 *
 * @internal
 */
import { Effect } from "effect"
import { HttpRouter, HttpServerResponse, ProblemDetails } from "effect/http"
import * as Access from "./Access.ts"

/** The text of a history, or `undefined` if there is none of this name. */
export type Recordings = (name: string) => Effect.Effect<string | undefined>

/** A name of a file, and never a path. */
const isName = (name: string): boolean => /^[\w-][\w.-]*$/.test(name)

const missing = ProblemDetails.toResponse({
  type: ProblemDetails.blankType,
  status: 404,
  title: "There is no recording of this name"
})

export const layer = (keys: Access.Keys, find: Recordings) =>
  HttpRouter.add(
    "GET",
    "/recordings/:name",
    Effect.gen(function*() {
      yield* Access.required(keys)
      const { name = "" } = yield* HttpRouter.params
      const text = isName(name) ? yield* find(name) : undefined
      return text === undefined ? missing : HttpServerResponse.text(text, { contentType: "application/json" })
    })
  )
