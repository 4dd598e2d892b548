/**
 * `tidemark compact`: discards history, and rewrites a collection into as few bytes as possible.
 *
 * @internal
 */
import { Effect, Option } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { PersistClient } from "../../client/PersistClient.ts"
import * as StoredJson from "../../client/StoredJson.ts"
import * as Frontier from "../../Frontier.ts"
import { Failure } from "../Failure.ts"
import * as Footprint from "../Footprint.ts"
import * as Output from "../Output.ts"
import { common } from "../Root.ts"
import * as Store from "../Store.ts"
import * as Times from "../Times.ts"

/** Only prints what the result would be. */
const rehearse = Effect.fnUntraced(function*(name: string, since: Option.Option<number>) {
  const { description } = yield* StoredJson.open(name)
  const to = Option.getOrElse(since, () => description.since)
  if (to < description.since) {
    return yield* new Failure({
      message: `history of "${name}" before ${
        Frontier.format(description.since)
      } is given up already, so since cannot be ${to}`
    })
  }
  const { collection, state } = yield* Footprint.read(name)
  return { before: Footprint.of(collection), after: yield* Footprint.preview(state, collection, to) }
})

const perform = Effect.fnUntraced(function*(name: string, since: Option.Option<number>) {
  const client = yield* PersistClient
  const { writer } = yield* StoredJson.open(name)
  const before = yield* Footprint.read(name)
  if (Option.isSome(since)) yield* writer.allowCompaction(since.value)
  yield* client.compact(name)
  const after = yield* Footprint.read(name)
  return { before: Footprint.of(before.collection), after: Footprint.of(after.collection) }
})

export const compact = Command.make(
  "compact",
  {
    name: Argument.String("NAME"),
    since: Times.flag("since").pipe(
      Flag.withDescription("Give up the history before this time for ever (default: give up nothing more)"),
      Flag.optional
    ),
    dryRun: Flag.Boolean("dry-run").pipe(
      Flag.withDescription("Say what it would save, and change nothing"),
      Flag.withDefault(false)
    )
  },
  Effect.fn(function*({ dryRun, name, since }) {
    const { json, storage } = yield* common
    const { after, before } = yield* dryRun
      ? Effect.provide(rehearse(name, since), Store.reading(storage))
      : Effect.provide(perform(name, since), Store.changing(storage))
    if (json) return yield* Output.json({ name, dryRun, before, after })
    yield* Output.line(`before: ${Footprint.format(before)}`)
    yield* Output.line(
      `${dryRun ? "would be" : "after"}: ${Footprint.format(after)}, ${Footprint.saving(before, after)}`
    )
  })
).pipe(
  Command.withDescription(
    "Rewrite a collection into as few bytes as possible. With --since, times before it can no longer be read, and their " +
      "rows collapse into one for each key and value that is left."
  ),
  Command.withShortDescription("Give up history and free its space"),
  Command.withExamples([
    { command: "tidemark compact orders --since 100 --dry-run", description: "What would it save?" },
    { command: "tidemark compact orders --since 100", description: "Keep times from 100 on" }
  ])
)
