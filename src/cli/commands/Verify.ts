/**
 * `tidemark verify`: checks every checksum and invariant of a store.
 *
 * @internal
 */
import { Effect } from "effect"
import { Command } from "effect/cli"
import * as Verification from "../../runtime/Verification.ts"
import { Failure } from "../Failure.ts"
import * as Output from "../Output.ts"
import * as Progress from "../Progress.ts"
import { common } from "../Root.ts"

export const verify = Command.make(
  "verify",
  {},
  Effect.fn(function*() {
    const { json, storage } = yield* common
    const { blobs, bytes, problems } = yield* Effect.gen(function*() {
      const total = yield* Verification.size
      const progress = yield* Progress.make({ label: "verifying", total, format: Output.bytes })
      return yield* Verification.run(progress.add)
    }).pipe(Effect.scoped, Effect.provide(storage))
    if (json) yield* Output.json({ ok: problems.length === 0, blobs, bytes, problems })
    else for (const { detail, file, offset } of problems) yield* Output.line(`${file}: offset ${offset}: ${detail}`)
    if (problems.length > 0) {
      return yield* new Failure({ message: `${Output.counted(problems.length, "problem")} found` })
    }
    if (!json) {
      yield* Output.line(
        `the log and ${Output.counted(blobs, "blob")} of ${Output.bytes(bytes)} are as they were written`
      )
    }
  })
).pipe(
  Command.withDescription(
    "Check every byte of the store against its checksums, and its parts against each other, without changing anything. " +
      "Each problem is a line with file and offset; the exit code is 1 if there are any."
  ),
  Command.withShortDescription("Check every checksum and invariant"),
  Command.withExamples([{
    command: "tidemark verify && cp -r .tidemark backup",
    description: "Before copying a store"
  }])
)
