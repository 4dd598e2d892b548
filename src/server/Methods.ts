/**
 * The HTTP methods of each path.
 *
 * @internal
 */
import { HttpApi } from "effect/http-api"
import { Api } from "./Api.ts"

const pattern = (path: string): RegExp => new RegExp(`^${path.replaceAll(/:[^/]+/g, "[^/]+")}$`)

const routes: Array<{ readonly method: string; readonly pattern: RegExp }> = ["/", "/openapi.json", "/metrics"].concat([
  "/health/live",
  "/health/ready"
]).map((path) => ({ method: "GET", pattern: pattern(path) }))

HttpApi.reflect(Api, {
  onGroup: () => {},
  onEndpoint: ({ endpoint: { method, path } }) => void routes.push({ method, pattern: pattern(path) })
})

/** The value of the header `Allow`, or `undefined` if there is nothing at the path. */
export const allowed = (url: string): string | undefined => {
  const [path] = url.split("?", 1) as [string]
  const methods = routes.filter((route) => route.pattern.test(path)).map(({ method }) => method)
  if (methods.length === 0) return undefined
  return methods.flatMap((method) => method === "GET" ? ["GET", "HEAD"] : [method]).join(", ")
}
