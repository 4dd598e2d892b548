/**
 * Keys and values on the command line.
 *
 * @internal
 */
import { Effect } from "effect"
import type { Description, StoredCodec } from "../client/PersistClient.ts"
import { foreign, type Json } from "../client/StoredJson.ts"
import { Failure, Usage } from "./Failure.ts"

/** A key as given on the command line: verbatim where keys are strings, JSON otherwise. */
export const parseKey = (
  collection: string,
  stored: StoredCodec,
  text: string
): Effect.Effect<Json, Usage> => {
  if (stored.name === "string") return Effect.succeed(text)
  return Effect.try({
    try: (): Json => JSON.parse(text),
    catch: () =>
      new Usage({
        message: `the keys of "${collection}" are of codec "${stored.name}", so KEY must be JSON: a text needs its ` +
          `quotes, as in '${JSON.stringify(text)}'`
      })
  })
}

/** Rejects a collection whose bytes only the program that defines it can make. */
export const checkWritable = (
  description: Pick<Description, "name" | "key" | "value">
): Effect.Effect<void, Failure> => {
  const codec = foreign(description)
  return codec === undefined ? Effect.void : Effect.fail(
    new Failure({
      message: `"${description.name}" stores values of codec "${codec.name}", which only the program that defines it ` +
        "can write"
    })
  )
}
