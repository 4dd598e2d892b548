/**
 * `tidemark schema`: the schemas that a collection has had.
 *
 * @internal
 */
import { Effect, Option } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { fingerprintOf } from "../../Codec.ts"
import * as Collection from "../../engine/Collection.ts"
import type { CodecRef } from "../../engine/Commit.ts"
import * as SchemaDiff from "../../engine/SchemaDiff.ts"
import { Usage } from "../Failure.ts"
import * as Footprint from "../Footprint.ts"
import * as Output from "../Output.ts"
import { common } from "../Root.ts"
import * as Store from "../Store.ts"

const parts = ["key", "value"] as const

const fingerprint = (document: string): string | null => document === "" ? null : fingerprintOf(document)

const versionJson = ({ key, value }: Collection.Documents, index: number) => ({
  version: index + 1,
  key: fingerprint(key),
  value: fingerprint(value)
})

const schemaOf = (document: string): unknown => document === "" ? null : JSON.parse(document)

const codecJson = ({ document, name }: CodecRef) => ({ codec: name, schema: schemaOf(document) })

const show = Effect.fnUntraced(function*(collection: Collection.Collection, json: boolean) {
  const { key, name, value } = collection.registration
  const versions = Collection.documents(collection).map(versionJson)
  if (json) {
    return yield* Output.json({ name, key: codecJson(key), value: codecJson(value), versions })
  }
  yield* Output.line(Output.table([
    ["VERSION", "KEY", "VALUE"],
    ...versions.map((each) => [String(each.version), each.key ?? "-", each.value ?? "-"])
  ]))
  for (const part of parts) {
    const { document, name: codec } = collection.registration[part]
    const text = document === "" ? "" : `\n${JSON.stringify(schemaOf(document), undefined, 2)}`
    yield* Output.line(`\n${part}: ${codec}${text}`)
  }
})

const compare = Effect.fnUntraced(
  function*(collection: Collection.Collection, from: number, to: number | undefined, json: boolean) {
    const versions = Collection.documents(collection)
    const before = versions[from - 1]
    const after = versions[(to ?? versions.length) - 1]
    if (before === undefined || after === undefined) {
      return yield* new Usage({
        message: `"${collection.registration.name}" has the schema versions 1 to ${versions.length}`
      })
    }
    for (const part of parts) {
      for (const difference of SchemaDiff.diff(before[part], after[part])) {
        const kind = difference.isBreaking || part === "key" ? "breaking" : "additive"
        yield* json
          ? Output.json({ part, kind, path: difference.path, detail: difference.detail })
          : Output.line(`${kind} ${part} ${SchemaDiff.format(difference)}`)
      }
    }
  }
)

export const schema = Command.make(
  "schema",
  {
    name: Argument.String("NAME"),
    diff: Flag.Int("diff").pipe(
      Flag.withDescription("Print how this version became another one"),
      Flag.withMetavar("VERSION"),
      Flag.optional
    ),
    to: Flag.Int("to").pipe(
      Flag.withDescription("The other version of --diff. Default: that of today"),
      Flag.withMetavar("VERSION"),
      Flag.optional
    )
  },
  Effect.fn(function*({ diff, name, to }) {
    const { json, storage } = yield* common
    yield* Effect.gen(function*() {
      const { state } = yield* Store.recover
      const collection = yield* Footprint.collectionOf(state, name)
      if (Option.isNone(diff) && Option.isSome(to)) return yield* new Usage({ message: "--to needs --diff" })
      if (Option.isNone(diff)) return yield* show(collection, json)
      yield* compare(collection, diff.value, Option.getOrUndefined(to), json)
    }).pipe(Effect.provide(Store.existing(storage)))
  })
).pipe(
  Command.withDescription("Print the schemas that a collection has had, by fingerprint, and that of today."),
  Command.withShortDescription("Print a collection's schemas, or how they differ"),
  Command.withExamples([
    { command: "tidemark schema orders", description: "The versions, and the schema of today" },
    { command: "tidemark schema orders --diff 1 --to 2", description: "What changed" }
  ])
)
