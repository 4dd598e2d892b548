/**
 * `tidemark destroy`: removes a collection.
 *
 * @internal
 */
import { Effect } from "effect"
import { Argument, Command } from "effect/cli"
import { PersistClient } from "../../client/PersistClient.ts"
import * as Output from "../Output.ts"
import { common } from "../Root.ts"
import * as Store from "../Store.ts"

export const destroy = Command.make(
  "destroy",
  {
    name: Argument.String("NAME")
  },
  Effect.fn(function*({ name }) {
    const { json, storage } = yield* common
    const destroyed = yield* PersistClient.use((client) => client.destroy(name)).pipe(
      Effect.provide(Store.changing(storage))
    )
    if (json) return yield* Output.json({ name, destroyed })
    yield* Output.line(destroyed ? `"${name}" is destroyed` : `"${name}" had been destroyed already`)
  })
).pipe(
  Command.withDescription("Destroy a collection and free its space. Its name stays taken. There is no way back."),
  Command.withShortDescription("Destroy a collection"),
  Command.withExamples([{ command: "tidemark destroy orders", description: "At once, without asking" }])
)
