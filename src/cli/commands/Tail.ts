/**
 * `tidemark tail`: updates and progress, as they become durable.
 *
 * @internal
 */
import { Effect, Stream } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import type { CollectionEvent } from "../../client/CollectionEvent.ts"
import * as StoredJson from "../../client/StoredJson.ts"
import * as Frontier from "../../Frontier.ts"
import type { Update } from "../../Update.ts"
import * as Output from "../Output.ts"
import { common } from "../Root.ts"
import * as Store from "../Store.ts"
import * as Times from "../Times.ts"

const updateLine = ({ diff, key, time, value }: Update<StoredJson.Json, StoredJson.Json>): string =>
  `${JSON.stringify({ key, value, time, diff })}\n`

const sealLine = (upper: number): string => `${JSON.stringify({ seal: Frontier.toJson(upper) })}\n`

export const tail = Command.make(
  "tail",
  {
    name: Argument.String("NAME"),
    from: Times.flag("from").pipe(
      Flag.withDescription("Leave out updates at earlier times"),
      Flag.withDefault(0)
    ),
    follow: Flag.Boolean("follow").pipe(
      Flag.withAlias("f"),
      Flag.withDescription("Go on with what is written from now on, also by other processes"),
      Flag.withDefault(false)
    )
  },
  Effect.fn(function*({ follow, from, name }) {
    const { storage } = yield* common
    const wanted = (updates: ReadonlyArray<Update<StoredJson.Json, StoredJson.Json>>): string =>
      updates.filter(({ time }) => time >= from).map(updateLine).join("")
    const textOf = (event: CollectionEvent<StoredJson.Json, StoredJson.Json>): string =>
      event._tag === "Progress" ? sealLine(event.frontier) : wanted(event.updates)
    yield* Effect.gen(function*() {
      const { reader } = yield* StoredJson.open(name)
      const { events, snapshot } = yield* reader.listen()
      yield* Stream.runForEachArray(snapshot.updates, (updates) => Output.write(wanted(updates)))
      if (snapshot.upper > 0) yield* Output.write(sealLine(snapshot.upper))
      if (follow) yield* Stream.runForEachArray(events, (batch) => Output.write(batch.map(textOf).join("")))
    }).pipe(Effect.scoped, Effect.provide(Store.reading(storage)))
  })
).pipe(
  Command.withDescription(
    "Print a collection's updates and seals, in the form that ingest reads: first what is there, in no order, then " +
      "how far it is sealed, and with --follow every write and seal that comes."
  ),
  Command.withShortDescription("Print updates and seals as they become durable"),
  Command.withExamples([
    { command: "tidemark tail orders --follow", description: "Until Ctrl-C" },
    { command: "tidemark tail orders | tidemark --dir ./copy ingest orders", description: "Copy a collection" }
  ])
)
