/**
 * `tidemark snapshot`: the contents of a collection.
 *
 * @internal
 */
import { Effect, Option, Stream } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import * as StoredJson from "../../client/StoredJson.ts"
import * as Format from "../Format.ts"
import { common } from "../Root.ts"
import * as Store from "../Store.ts"
import * as Times from "../Times.ts"

export const snapshot = Command.make(
  "snapshot",
  {
    name: Argument.String("NAME"),
    asOf: Times.flag("as-of").pipe(
      Flag.withDescription("The time to read as of (default: the last sealed time)"),
      Flag.optional
    ),
    wait: Flag.Boolean("wait").pipe(
      Flag.withDescription("Wait until the time is sealed, instead of failing"),
      Flag.withDefault(false)
    ),
    updates: Flag.Boolean("updates").pipe(
      Flag.withDescription(
        "The updates as they are stored, with their times; without --as-of also those not sealed yet"
      ),
      Flag.withDefault(false)
    ),
    format: Flag.Literals("format", Format.names).pipe(
      Flag.withDescription("How rows are written (default: ndjson)"),
      Flag.withDefault("ndjson")
    )
  },
  Effect.fn(function*({ asOf, format, name, updates, wait }) {
    const { storage } = yield* common
    yield* Format.checkOutput(format)
    yield* Effect.gen(function*() {
      const { description, reader } = yield* StoredJson.open(name)
      const taken = yield* updates && Option.isNone(asOf)
        ? reader.snapshot()
        : Effect.flatMap(Times.asOf(description, asOf), (time) => reader.snapshot({ asOf: time, wait }))
      yield* updates
        ? Format.write(
          format,
          description,
          Stream.map(Stream.chunks(taken.updates), (updates) => ({ _tag: "Updates", updates }))
        )
        : Format.writeContents(format, description, taken.contents)
    }).pipe(Effect.scoped, Effect.provide(Store.reading(storage)))
  })
).pipe(
  Command.withDescription("Print the contents of a collection as of a time, one row with its multiplicity a line."),
  Command.withShortDescription("Print the contents as of a time"),
  Command.withExamples([
    { command: "tidemark snapshot orders", description: "As of the last sealed time" },
    { command: "tidemark snapshot orders --as-of 5 --wait", description: "As of 5, once it is sealed" },
    { command: "tidemark snapshot orders --format csv > orders.csv", description: "For a spreadsheet" }
  ])
)
