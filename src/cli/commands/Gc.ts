/**
 * `tidemark gc`: deletes blobs that nothing refers to.
 *
 * @internal
 */
import { Effect } from "effect"
import { Command, Flag } from "effect/cli"
import * as Orphans from "../../runtime/Orphans.ts"
import * as Output from "../Output.ts"
import { common } from "../Root.ts"
import * as Store from "../Store.ts"

const find = Effect.flatMap(Store.recover, ({ state }) => Orphans.list(state, Effect.void))

export const gc = Command.make(
  "gc",
  {
    dryRun: Flag.Boolean("dry-run").pipe(
      Flag.withDescription("List what would be deleted, and change nothing"),
      Flag.withDefault(false)
    )
  },
  Effect.fn(function*({ dryRun }) {
    const { json, storage } = yield* common
    const orphans = yield* Effect.scoped(dryRun ? find : Orphans.remove).pipe(
      Effect.provide(Store.existing(storage))
    )
    const bytes = Orphans.bytesOf(orphans)
    if (json) return yield* Output.json({ dryRun, blobs: orphans, bytes })
    for (const orphan of orphans) yield* Output.line(`blobs/${orphan.key}  ${Output.bytes(orphan.bytes)}`)
    yield* Output.line(
      `${Output.counted(orphans.length, "orphan")}, ${Output.bytes(bytes)}${dryRun ? "" : " deleted"}`
    )
  })
).pipe(
  Command.withDescription(
    "Delete stored objects that nothing refers to, as a crash may leave them. Beside a live writer, --dry-run also lists " +
      "what that is about to use, or has just replaced."
  ),
  Command.withShortDescription("Delete what nothing refers to"),
  Command.withExamples([{ command: "tidemark gc --dry-run", description: "List orphans and their bytes" }])
)
