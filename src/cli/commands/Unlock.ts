/**
 * `tidemark unlock`: removes the lock of a writer whose host is gone.
 *
 * @internal
 */
import { Effect, Option } from "effect"
import { Command } from "effect/cli"
import { FileStorage } from "../../node/index.ts"
import { Usage } from "../Failure.ts"
import * as Output from "../Output.ts"
import { common } from "../Root.ts"

export const unlock = Command.make(
  "unlock",
  {},
  Effect.fn(function*() {
    const { directory, json } = yield* common
    if (Option.isNone(directory)) {
      return yield* new Usage({
        message: "only a store in a directory has a lock: the others are taken over by opening them"
      })
    }
    const holder = yield* FileStorage.unlock({ directory: directory.value })
    if (json) return yield* Output.json({ unlocked: Option.isSome(holder), ...Option.getOrElse(holder, () => ({})) })
    yield* Output.line(
      Option.match(holder, {
        onNone: () => "no process has the store open for writing",
        onSome: ({ host, pid }) => `the lock of process ${pid} on host ${host} is given up`
      })
    )
  })
).pipe(
  Command.withDescription(
    "Take the lock of a store from a process on another host that is gone. Refused where the process is seen to live. If it " +
      "lives after all, it is fenced once the store is opened: what it has acknowledged stays."
  ),
  Command.withShortDescription("Take the lock from a writer that is gone"),
  Command.withExamples([{ command: "tidemark unlock", description: "After the host of the writer has died" }])
)
