/**
 * `tidemark export`: a collection for other programs.
 *
 * @internal
 */
import { Effect, Option, Stream } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import type { CollectionEvent } from "../../client/CollectionEvent.ts"
import * as StoredJson from "../../client/StoredJson.ts"
import * as Format from "../Format.ts"
import { common } from "../Root.ts"
import * as Store from "../Store.ts"
import * as Times from "../Times.ts"

type Event = CollectionEvent<StoredJson.Json, StoredJson.Json>

export const exporting = Command.make(
  "export",
  {
    name: Argument.String("NAME"),
    format: Flag.Literals("format", Format.all).pipe(
      Flag.withDescription("What is written (default: ndjson)"),
      Flag.withDefault("ndjson")
    )
  },
  Effect.fn(function*({ format, name }) {
    const { storage } = yield* common
    yield* Format.checkOutput(format)
    yield* Effect.gen(function*() {
      const { description, reader } = yield* StoredJson.open(name)
      if (format === "debezium") {
        const asOf = yield* Times.asOf(description, Option.none())
        return yield* Format.writeContents(format, description, (yield* reader.snapshot({ asOf })).contents)
      }
      const { updates, upper } = yield* reader.snapshot()
      const rows = Stream.map(Stream.chunks(updates), (updates): Event => ({ _tag: "Updates", updates }))
      const flow = upper === 0
        ? rows
        : Stream.concat(rows, Stream.succeed<Event>({ _tag: "Progress", frontier: upper }))
      yield* Format.write(format, description, flow)
    }).pipe(Effect.scoped, Effect.provide(Store.reading(storage)))
  })
).pipe(
  Command.withDescription(
    "Write all updates of a collection, with their times, to standard output, in a form that ingest reads: everything " +
      "that is durable, in no order, and how far it is sealed, for which CSV has no place. For Debezium it is the contents as of the last sealed time, as the " +
      "snapshot that a connector begins with."
  ),
  Command.withShortDescription("Write a collection for other programs"),
  Command.withExamples([
    { command: "tidemark export orders --format parquet > orders.parquet", description: "For DuckDB and its like" },
    { command: "tidemark export orders | tidemark --dir ./copy ingest orders", description: "Copy a collection" }
  ])
)
