/**
 * `tidemark history`: the updates of one key.
 *
 * @internal
 */
import { Effect } from "effect"
import { Argument, Command } from "effect/cli"
import * as StoredJson from "../../client/StoredJson.ts"
import * as Output from "../Output.ts"
import { common } from "../Root.ts"
import * as Store from "../Store.ts"
import * as Values from "../Values.ts"
import { keyArgument } from "./Get.ts"

export const history = Command.make(
  "history",
  {
    name: Argument.String("NAME"),
    key: keyArgument
  },
  Effect.fn(function*({ key, name }) {
    const { storage } = yield* common
    yield* Effect.gen(function*() {
      const { description, reader } = yield* StoredJson.open(name)
      const wanted = yield* Values.parseKey(name, description.key, key)
      for (const update of yield* reader.history(wanted)) yield* Output.json(update)
    }).pipe(Effect.scoped, Effect.provide(Store.reading(storage)))
  })
).pipe(
  Command.withDescription("Print the updates of a key by time, as far as compaction has left them apart."),
  Command.withShortDescription("Print the updates of a key"),
  Command.withExamples([{ command: "tidemark history files README.md", description: "When did this file change?" }])
)
