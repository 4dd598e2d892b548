/**
 * `tidemark describe`: one collection.
 *
 * @internal
 */
import { Effect } from "effect"
import { Argument, Command } from "effect/cli"
import type { StoredCodec } from "../../client/PersistClient.ts"
import * as StoredJson from "../../client/StoredJson.ts"
import * as Frontier from "../../Frontier.ts"
import * as Footprint from "../Footprint.ts"
import * as Output from "../Output.ts"
import { common } from "../Root.ts"
import * as Store from "../Store.ts"

const codecJson = ({ document, name }: StoredCodec) => ({
  codec: name,
  ...(document !== "" && { schema: JSON.parse(document) as unknown })
})

const codecText = ({ document, name }: StoredCodec): string => document === "" ? name : `${name} ${document}`

export const describe = Command.make(
  "describe",
  {
    name: Argument.String("NAME")
  },
  Effect.fn(function*({ name }) {
    const { json, storage } = yield* common
    yield* Effect.gen(function*() {
      const { description: { id, key, since, upper, value } } = yield* StoredJson.open(name)
      const { state } = yield* Store.recover
      const footprint = Footprint.of(yield* Footprint.collectionOf(state, name))
      if (json) {
        return yield* Output.json({
          name,
          id,
          key: codecJson(key),
          value: codecJson(value),
          since: Frontier.toJson(since),
          upper: Frontier.toJson(upper),
          ...footprint
        })
      }
      yield* Output.line(Output.table([
        ["name", name],
        ["id", String(id)],
        ["keys", codecText(key)],
        ["values", codecText(value)],
        ["since", `${Frontier.format(since)} (reads as of earlier times fail)`],
        ["upper", `${Frontier.format(upper)} (all times before are complete)`],
        ["stored", Footprint.format(footprint)]
      ]))
    }).pipe(Effect.scoped, Effect.provide(Store.reading(storage)))
  })
).pipe(
  Command.withDescription("Print a collection's codecs, frontiers and size."),
  Command.withShortDescription("Print a collection's codecs, frontiers and size"),
  Command.withExamples([{ command: "tidemark describe orders --json", description: "With the schema as JSON" }])
)
