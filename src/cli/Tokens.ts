/**
 * The tokens of `tidemark serve`: one from the environment, others with what they allow from a file. The command line is
 * visible to all users of the machine.
 *
 * @internal
 */
import { Config, Effect, FileSystem, Option, Redacted, Schema } from "effect"
import * as Access from "../server/Access.ts"
import { Failure, Usage } from "./Failure.ts"

const Grants = Schema.fromJsonString(Schema.NonEmptyArray(Schema.Struct({
  token: Schema.NonEmptyString,
  rights: Schema.Literals(["read", "write"]),
  collections: Schema.NonEmptyArray(Schema.NonEmptyString)
})))

/** A field that is not known might be meant to limit the token, so that it is refused. */
const decode = Schema.decodeUnknownEffect(Grants, { onExcessProperty: "error" })

const read = Effect.fnUntraced(function*(file: string) {
  const fs = yield* FileSystem.FileSystem
  const text = yield* Effect.mapError(
    fs.readFileString(file),
    ({ message }) => new Failure({ message: `cannot read the tokens: ${message}` })
  )
  // The error of the schema would print what is in the file.
  const grants = yield* Effect.mapError(decode(text), () =>
    new Usage({
      message:
        `${file} is not [{"token":"...","rights":"read" or "write","collections":["..."]}] with nothing else in it`
    }))
  return grants.map(({ collections, rights, token }) => ({ collections, rights, token: Redacted.make(token) }))
})

/** What a server on a host asks of its clients. */
export const allowed = Effect.fnUntraced(function*(host: string, file: Option.Option<string>) {
  const token = Option.getOrUndefined(yield* Config.option(Config.Redacted("TIDEMARK_TOKEN")))
  if (token !== undefined && Redacted.value(token) === "") {
    return yield* new Usage({ message: "TIDEMARK_TOKEN is empty" })
  }
  const grants = Option.isSome(file) ? yield* read(file.value) : []
  if (token === undefined && grants.length === 0 && !Access.isLoopbackHost(host)) {
    return yield* new Usage({
      message: `--host ${host} lets other machines in, so it needs a token: set TIDEMARK_TOKEN, or give --tokens`
    })
  }
  return { token, grants }
})
