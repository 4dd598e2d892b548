/**
 * What the tokens of a server allow: reading or also writing, and of which collections.
 *
 * @since 0.1.0
 */
import { Context, Effect, Redacted } from "effect"
import { ValueOutOfRange } from "../PersistError.ts"

/**
 * What a client with a token may do.
 *
 * @category models
 * @since 0.1.0
 */
export interface Grant {
  /** The bearer token; not empty. */
  readonly token: Redacted.Redacted
  /** Whether it can only read. */
  readonly rights: "read" | "write"
  /**
   * The collections that it can read, and write if it has the right to: whole names, and beginnings of names that end
   * with `*`. `["*"]` are all collections. At least one.
   */
  readonly collections: ReadonlyArray<string>
}

/**
 * @internal
 * The client that has made a request.
 */
export class Caller extends Context.Service<Caller, Omit<Grant, "token"> & { readonly id: string }>()(
  "tidemark/server/Caller"
) {}

const all = "*"

/** @internal What a token without further words allows, and everybody where no token is needed. */
export const everything = { rights: "write", collections: [all] } as const

/** @internal Whether the whole name is one that is meant. */
export const covers = ({ collections }: Pick<Grant, "collections">, name: string): boolean =>
  collections.some((pattern) => pattern.endsWith("*") ? name.startsWith(pattern.slice(0, -1)) : name === pattern)

/** @internal Whether all collections are meant. */
export const coversAll = ({ collections }: Pick<Grant, "collections">): boolean => collections.includes(all)

const problemOf = (grants: ReadonlyArray<Grant>): string | undefined => {
  if (grants.some(({ token }) => Redacted.value(token) === "")) {
    return "it is empty, so that everybody would have it; give a token that is not empty, or none"
  }
  if (new Set(grants.map(({ token }) => Redacted.value(token))).size < grants.length) {
    return "the same token is given twice, so that its rights are unclear; give each client another one"
  }
  const patterns = grants.flatMap(({ collections }) => collections)
  if (grants.some(({ collections }) => collections.length === 0) || patterns.includes("")) {
    return "it names no collections; name them, or give [\"*\"] for all"
  }
  return patterns.some((pattern) => pattern.slice(0, -1).includes("*"))
    ? "a * stands for the end of a name only; name the collections, or their beginnings"
    : undefined
}

/** @internal Fails for grants that cannot be what was meant. */
export const check = (grants: ReadonlyArray<Grant>): Effect.Effect<void, ValueOutOfRange> => {
  const detail = problemOf(grants)
  return detail === undefined
    ? Effect.void
    : Effect.fail(new ValueOutOfRange({ what: "the token of the server", detail }))
}
