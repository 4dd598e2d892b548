/**
 * `tidemark copy`: copies a store to another location.
 *
 * @internal
 */
import { Effect } from "effect"
import { Command, Flag } from "effect/cli"
import { StorageConfig } from "../../config/index.ts"
import * as StoreCopy from "../../runtime/StoreCopy.ts"
import * as Verification from "../../runtime/Verification.ts"
import { Failure } from "../Failure.ts"
import * as Output from "../Output.ts"
import * as Progress from "../Progress.ts"
import { common } from "../Root.ts"

export const copy = Command.make(
  "copy",
  {
    from: Flag.String("from").pipe(Flag.withDescription("The URL of the store to copy")),
    to: Flag.String("to").pipe(Flag.withDescription("The URL of the place to copy it to, which has no store yet"))
  },
  Effect.fn(function*({ from, to }) {
    const { json } = yield* common
    const target = StorageConfig.layerUrl(to)
    const copied = yield* StoreCopy.copy({ from: StorageConfig.layerUrl(from), to: target })
    const { problems } = yield* Effect.gen(function*() {
      const total = yield* Verification.size
      const progress = yield* Progress.make({ label: "verifying", total, format: Output.bytes })
      return yield* Verification.run(progress.add)
    }).pipe(Effect.scoped, Effect.provide(target))
    if (problems.length > 0) {
      const { detail, file } = problems[0]!
      return yield* new Failure({
        message: `the copy has ${Output.counted(problems.length, "problem")}, the first in ${file}: ${detail}`
      })
    }
    if (json) return yield* Output.json(copied)
    yield* Output.line(
      `copied and verified ${Output.counted(copied.collections, "collection")}: ` +
        `${Output.counted(copied.entries, "commit")} of the log and ${Output.counted(copied.blobs, "blob")}, ` +
        `${Output.bytes(copied.bytes)}`
    )
  })
).pipe(
  Command.withDescription(
    "Copy a store, byte for byte, to a place that has none: between directories, databases and buckets. The copy is read, " +
      "compared with what was copied, and verified like by tidemark verify. A live writer may go on; the copy is the store " +
      "as of one of its commits."
  ),
  Command.withShortDescription("Copy a store to another place, and verify the copy"),
  Command.withExamples([{
    command: "tidemark copy --from file:///var/lib/orders --to postgres://db/app?schema=orders",
    description: "From files to Postgres"
  }])
)
