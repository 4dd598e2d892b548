/**
 * The page at `/`: collections as of any time, what changed, and the life of a key. It only reads, and loads nothing
 * from other servers.
 *
 * @internal
 */
import { HttpServerResponse } from "effect/http"
import { html } from "./InspectorPage.ts"

/** The page, with a policy that lets a browser contact this server only. */
export const page = HttpServerResponse.text(html, {
  contentType: "text/html; charset=utf-8",
  headers: {
    "content-security-policy":
      "default-src 'none'; connect-src 'self'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff"
  }
})
