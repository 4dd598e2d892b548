/**
 * `tidemark diff`: what changed between two times.
 *
 * @internal
 */
import { Effect } from "effect"
import { Argument, Command } from "effect/cli"
import * as StoredJson from "../../client/StoredJson.ts"
import { AsOfNotSealed } from "../../PersistError.ts"
import * as Output from "../Output.ts"
import { common } from "../Root.ts"
import * as Store from "../Store.ts"
import * as Times from "../Times.ts"

export const diff = Command.make(
  "diff",
  {
    name: Argument.String("NAME"),
    from: Times.argument("T1"),
    to: Times.argument("T2")
  },
  Effect.fn(function*({ from, name, to }) {
    const { storage } = yield* common
    yield* Effect.gen(function*() {
      const { description: { upper }, reader } = yield* StoredJson.open(name)
      const last = Math.max(from, to)
      if (last >= upper) return yield* new AsOfNotSealed({ collection: name, asOf: last, upper })
      yield* Output.lines(reader.changes({ from, to }), ([key, value, diff]) => JSON.stringify({ key, value, diff }))
    }).pipe(Effect.scoped, Effect.provide(Store.reading(storage)))
  })
).pipe(
  Command.withDescription(
    "Print how the contents as of T1 become those as of T2: a row with diff 1 has come, one with diff -1 has gone."
  ),
  Command.withShortDescription("Print what changed between two times"),
  Command.withExamples([{ command: "tidemark diff files 10 20", description: "What commits 11 to 20 changed" }])
)
