/**
 * `tidemark list`: the collections of a store.
 *
 * @internal
 */
import { Effect } from "effect"
import { Command } from "effect/cli"
import { type Description, PersistClient } from "../../client/PersistClient.ts"
import * as Frontier from "../../Frontier.ts"
import * as Output from "../Output.ts"
import { common } from "../Root.ts"
import * as Store from "../Store.ts"

const rowOf = ({ key, name, since, upper, value }: Description): ReadonlyArray<string> => [
  name,
  key.name,
  value.name,
  Frontier.format(since),
  Frontier.format(upper)
]

const jsonOf = ({ id, key, name, since, upper, value }: Description) => ({
  name,
  id,
  key: key.name,
  value: value.name,
  since: Frontier.toJson(since),
  upper: Frontier.toJson(upper)
})

export const list = Command.make(
  "list",
  {},
  Effect.fn(function*() {
    const { json, storage } = yield* common
    const all = yield* PersistClient.use(({ descriptions }) => descriptions).pipe(
      Effect.provide(Store.reading(storage))
    )
    if (json) return yield* Output.json(all.map(jsonOf))
    yield* Output.line(Output.table([["NAME", "KEYS", "VALUES", "SINCE", "UPPER"], ...all.map(rowOf)]))
  })
).pipe(
  Command.withDescription(
    "List the collections: their codecs, since when history is kept, and how far they are sealed."
  ),
  Command.withShortDescription("List the collections"),
  Command.withExamples([{ command: "tidemark list --json", description: "For programs" }])
)
