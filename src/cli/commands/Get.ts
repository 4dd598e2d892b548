/**
 * `tidemark get`: one key.
 *
 * @internal
 */
import { Effect } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import * as StoredJson from "../../client/StoredJson.ts"
import * as Output from "../Output.ts"
import { common } from "../Root.ts"
import * as Store from "../Store.ts"
import * as Times from "../Times.ts"
import * as Values from "../Values.ts"

export const keyArgument = Argument.String("KEY").pipe(
  Argument.withDescription("Verbatim where keys are strings, JSON otherwise")
)

export const get = Command.make(
  "get",
  {
    name: Argument.String("NAME"),
    key: keyArgument,
    asOf: Times.flag("as-of").pipe(
      Flag.withDescription("The time to read as of (default: the last sealed time)"),
      Flag.optional
    )
  },
  Effect.fn(function*({ asOf, key, name }) {
    const { storage } = yield* common
    yield* Effect.gen(function*() {
      const { description, reader } = yield* StoredJson.open(name)
      const wanted = yield* Values.parseKey(name, description.key, key)
      const time = yield* Times.asOf(description, asOf)
      const values = yield* reader.get(wanted, { asOf: time, wait: false })
      for (const [value, diff] of values) yield* Output.json({ key: wanted, value, diff })
    }).pipe(Effect.scoped, Effect.provide(Store.reading(storage)))
  })
).pipe(
  Command.withDescription("Print the values of a key as of a time; nothing where there are none."),
  Command.withShortDescription("Print the values of a key"),
  Command.withExamples([
    { command: `tidemark get orders '"o-1"'`, description: "A key of JSON: a text has quotes" },
    { command: "tidemark get files README.md --as-of 7", description: "A key that is a string" }
  ])
)
