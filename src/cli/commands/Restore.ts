/**
 * `tidemark restore`: makes a store again from a backup.
 *
 * @internal
 */
import { Effect, Option } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import * as Backup from "../../backup/Backup.ts"
import * as Output from "../Output.ts"
import * as Place from "../Place.ts"
import { common } from "../Root.ts"

export const restore = Command.make(
  "restore",
  {
    place: Argument.String("PLACE").pipe(
      Argument.withDescription("The place of the backups: a directory, or a URL such as s3://bucket/prefix")
    ),
    at: Flag.Int("at").pipe(
      Flag.withDescription(
        "The position of the log to restore, as tidemark backups lists them (default: the newest backup)"
      ),
      Flag.optional
    )
  },
  Effect.fn(function*({ at, place }) {
    const { json, storage } = yield* common
    const from = Place.storageOf(place)
    const restored = yield* Backup.restore({ from, to: storage, at: Option.getOrUndefined(at) })
    if (json) return yield* Output.json(restored)
    yield* Output.line(
      `restored and verified ${Output.counted(restored.collections, "collection")}: ` +
        `${Output.counted(restored.blobs, "blob")}, ${Output.bytes(restored.bytes)}`
    )
  })
).pipe(
  Command.withDescription(
    "Make the store of --dir or --store again from a backup, where there is none, and verify every byte of it. --at names " +
      "any position that tidemark backups --positions lists. A restored store needs another place for its own backups."
  ),
  Command.withShortDescription("Restore a store from a backup, as of any position that it holds"),
  Command.withExamples([
    { command: "tidemark restore /mnt/backups/orders --dir orders", description: "The newest backup" },
    {
      command: "tidemark restore s3://backups/orders --at 1200 --dir orders",
      description: "As it was at position 1,200"
    }
  ])
)
