/**
 * How to connect to a database: the URL, and what the environment adds to it as for every client of Postgres. Some
 * settings of both are rejected, because ignoring them would connect in another way than requested.
 *
 * @internal
 */
import { Config, Effect, Option } from "effect"
import * as Platform from "../Platform.ts"

/** Ways to use a database that a URL or the environment chooses. */
export interface Settings {
  /** The URL, with what the environment adds. */
  readonly url: string
  /** Which certificates to trust, if the mode of the URL does not define it. */
  readonly tls: Tls | undefined
  /** A pooler shares sessions, so that no state can be left in one. */
  readonly pooled: boolean
}

/** Options of Node's TLS. */
export interface Tls {
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
  readonly rejectUnauthorized?: boolean
  readonly checkServerIdentity?: () => undefined
}

/** The environment variables that replace absent parameters of the URL. */
export const variables: Readonly<Record<string, string>> = {
  PGHOST: "host",
  PGPORT: "port",
  PGDATABASE: "dbname",
  PGUSER: "user",
  PGPASSWORD: "password",
  PGOPTIONS: "options",
  PGCONNECT_TIMEOUT: "connect_timeout",
  PGSSLMODE: "sslmode",
  PGSSLROOTCERT: "sslrootcert",
  PGSSLCERT: "sslcert",
  PGSSLKEY: "sslkey"
}

const known = new Set([...Object.values(variables), "application_name", "schema", "pooler"])

const modes = ["disable", "allow", "prefer", "no-verify", "require", "verify-ca", "verify-full"]
const withoutCheck = new Set(["disable", "allow", "prefer", "no-verify"])

/** The variables of the environment that are set. */
export const environment: Effect.Effect<ReadonlyMap<string, string>> = Effect.gen(function*() {
  const found = new Map<string, string>()
  for (const [variable, parameter] of Object.entries(variables)) {
    const value = yield* Effect.orDie(Config.option(Config.String(variable)))
    if (Option.isSome(value) && value.value !== "") found.set(parameter, value.value)
  }
  return found
})

/** The parts of the URL outside of its parameters. */
const inAuthority = (url: URL): ReadonlySet<string> =>
  new Set([
    ...(url.hostname === "" ? [] : ["host", "port"]),
    ...(url.pathname.length > 1 ? ["dbname"] : []),
    ...(url.username === "" ? [] : ["user"]),
    ...(url.password === "" ? [] : ["password"])
  ])

/** The settings, or an error, which contains no value of a setting. */
export const of = (text: string, added: ReadonlyMap<string, string>): Settings | string => {
  if (!URL.canParse(text)) return "its URL cannot be read"
  const url = new URL(text)
  const unknown = [...url.searchParams.keys()].find((name) => !known.has(name))
  if (unknown !== undefined) return `its URL has the parameter ${unknown}, which is not supported`
  const said = inAuthority(url)
  for (const [name, value] of added) {
    if (!said.has(name) && !url.searchParams.has(name)) url.searchParams.set(name, value)
  }
  const pooler = url.searchParams.get("pooler")
  if (pooler !== null && pooler !== "session" && pooler !== "transaction") {
    return `its parameter pooler is neither "session" nor "transaction"`
  }
  const tls = tlsOf(url.searchParams)
  if (typeof tls === "string") return tls
  // The driver does not know this mode; the options define it completely.
  if (url.searchParams.get("sslmode") === "no-verify") url.searchParams.set("sslmode", "require")
  return { url: url.href, tls, pooled: pooler === "transaction" }
}

/** Which certificates to trust, or an error. Undefined if the mode is enough for the driver. */
const tlsOf = (parameters: URLSearchParams): Tls | string | undefined => {
  const root = parameters.get("sslrootcert")
  const mode = parameters.get("sslmode") ?? (root === null ? undefined : "verify-full")
  if (mode !== undefined && !modes.includes(mode)) return `its sslmode is none of ${modes.join(", ")}`
  if (root !== null && withoutCheck.has(mode!)) {
    return `it has sslrootcert, which sslmode=${mode} would not use: take require, verify-ca or verify-full`
  }
  const [cert, key] = [parameters.get("sslcert"), parameters.get("sslkey")]
  if ((cert === null) !== (key === null)) return "it has one of sslcert and sslkey, which belong together"
  if (cert !== null && (mode === undefined || mode === "disable")) return "it has sslcert, but no sslmode that uses TLS"
  const files: Record<string, string> = {}
  for (const [option, path] of [["ca", root === "system" ? null : root], ["cert", cert], ["key", key]] as const) {
    if (path === null) continue
    const content = Platform.readText(path)
    if (content === undefined) return `the file ${path}, which its TLS settings name, cannot be read`
    files[option] = content
  }
  const tls: Tls = {
    ...files,
    ...(mode === "no-verify" ? { rejectUnauthorized: false } : {}),
    ...(mode === "verify-ca" ? { checkServerIdentity: () => undefined } : {})
  }
  return Object.keys(tls).length === 0 && root === null ? undefined : tls
}
