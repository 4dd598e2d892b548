/**
 * Probes, which need no token: whether the process responds, and whether its store does.
 *
 * @internal
 */
import { Effect } from "effect"
import { HttpRouter, HttpServerResponse, ProblemDetails } from "effect/http"
import { PersistClient } from "../client/PersistClient.ts"
import * as Problem from "./Problem.ts"

const answer = (status: string) => HttpServerResponse.jsonUnsafe({ status })

const unready = (error: Problem.Problematic) => {
  const detail = error.message
  const { status, title, type } = error._tag === "Fenced" ? Problem.of(error) : new Problem.Unavailable({ detail })
  return ProblemDetails.toResponse({ type, status, title, detail })
}

export const live = HttpRouter.add("GET", "/health/live", Effect.succeed(answer("live")))

export const ready = HttpRouter.add(
  "GET",
  "/health/ready",
  Effect.flatMap(
    PersistClient,
    ({ confirm }) => Effect.match(confirm, { onFailure: unready, onSuccess: () => answer("ready") })
  )
)
