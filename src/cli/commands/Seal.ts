/**
 * `tidemark seal`: makes times complete.
 *
 * @internal
 */
import { Effect } from "effect"
import { Argument, Command } from "effect/cli"
import * as StoredJson from "../../client/StoredJson.ts"
import * as Frontier from "../../Frontier.ts"
import * as Output from "../Output.ts"
import { common } from "../Root.ts"
import * as Store from "../Store.ts"
import * as Times from "../Times.ts"

export const seal = Command.make(
  "seal",
  {
    name: Argument.String("NAME"),
    upper: Times.frontierArgument("T").pipe(
      Argument.withDescription("The first time that is still open; empty finishes the collection for ever")
    )
  },
  Effect.fn(function*({ name, upper }) {
    const { json, storage } = yield* common
    yield* Effect.gen(function*() {
      const { writer } = yield* StoredJson.open(name)
      yield* writer.seal(upper)
    }).pipe(Effect.scoped, Effect.provide(Store.changing(storage)))
    if (json) return yield* Output.json({ name, upper: Frontier.toJson(upper) })
    yield* Output.line(
      Frontier.isEmpty(upper)
        ? `"${name}" is finished`
        : `"${name}" is sealed up to ${upper}: all times before are complete`
    )
  })
).pipe(
  Command.withDescription("Promise that no update at a time before T will follow, so that these times can be read."),
  Command.withShortDescription("Make times complete"),
  Command.withExamples([{ command: "tidemark seal orders 6", description: "Times up to 5 are complete" }])
)
