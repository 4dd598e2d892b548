/**
 * `tidemark prune`: gives old backups up.
 *
 * @internal
 */
import { Duration, Effect, Option } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import * as Backup from "../../backup/Backup.ts"
import { Usage } from "../Failure.ts"
import * as Output from "../Output.ts"
import * as Place from "../Place.ts"
import { common } from "../Root.ts"

const durationOf = (text: Option.Option<string>) => {
  if (Option.isNone(text)) return Effect.succeed(undefined)
  const duration = Duration.fromInput(text.value as Duration.Input)
  return Option.isSome(duration)
    ? Effect.succeed(duration.value)
    : Effect.fail(new Usage({ message: `"${text.value}" is no duration: write "30 days", or "12 hours"` }))
}

export const prune = Command.make(
  "prune",
  {
    place: Argument.String("PLACE").pipe(
      Argument.withDescription("The place of the backups: a directory, or a URL such as s3://bucket/prefix")
    ),
    last: Flag.Int("keep").pipe(
      Flag.withDescription("Keep so many of the newest backups"),
      Flag.optional
    ),
    within: Flag.String("within").pipe(
      Flag.withDescription("Keep all backups that are not older, such as \"30 days\""),
      Flag.optional
    )
  },
  Effect.fn(function*({ last, place, within }) {
    const { json } = yield* common
    if (Option.isNone(last) && Option.isNone(within)) {
      return yield* new Usage({ message: "say which backups are kept: --keep N, --within \"30 days\", or both" })
    }
    const pruned = yield* Backup.prune({
      from: Place.storageOf(place),
      last: Option.getOrUndefined(last),
      within: yield* durationOf(within)
    })
    if (json) return yield* Output.json(pruned)
    yield* Output.line(
      `${Output.counted(pruned.removed.length, "backup")} removed, ${pruned.kept.length} kept: ` +
        `${Output.counted(pruned.blobs, "blob")} of ${Output.bytes(pruned.bytes)} freed`
    )
  })
).pipe(
  Command.withDescription(
    "Give backups up that no rule keeps, and free what only they needed. The newest backup always stays, and so does what " +
      "the next one goes on from. With both rules, a backup stays that one of them keeps."
  ),
  Command.withShortDescription("Remove old backups of a place"),
  Command.withExamples([
    { command: "tidemark prune /mnt/backups/orders --keep 7", description: "Keep the newest seven" },
    { command: "tidemark prune s3://backups/orders --within \"30 days\"", description: "Keep those of a month" }
  ])
)
