/**
 * `tidemark backup`: backs a store up, and says what its backups are.
 *
 * @internal
 */
import { DateTime, Effect } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import * as Backup from "../../backup/Backup.ts"
import { Failure } from "../Failure.ts"
import * as Output from "../Output.ts"
import * as Place from "../Place.ts"
import { common } from "../Root.ts"
import * as Store from "../Store.ts"

const place = Argument.String("PLACE").pipe(
  Argument.withDescription("The place of the backups: a directory, or a URL such as s3://bucket/prefix")
)

export const backup = Command.make(
  "backup",
  { place },
  Effect.fn(function*({ place }) {
    const { json, storage } = yield* common
    const saved = yield* Backup.save({ from: Store.existing(storage), to: Place.storageOf(place) })
    if (json) return yield* Output.json(saved)
    yield* Output.line(
      `position ${saved.position} of ${Output.counted(saved.collections, "collection")} is backed up and verified: ` +
        `copied ${Output.counted(saved.entries, "commit")} of the log and ${Output.counted(saved.blobs, "blob")}, ` +
        `${Output.bytes(saved.bytes)}; ${Output.bytes(saved.reusedBytes)} were there`
    )
  })
).pipe(
  Command.withDescription(
    "Back the store up, while its writer goes on: copy what the place has not, and verify it. The place keeps all earlier " +
      "backups. An interrupted backup is continued by the next one."
  ),
  Command.withShortDescription("Back the store up to a place, incrementally"),
  Command.withExamples([
    { command: "tidemark backup /mnt/backups/orders", description: "To a directory" },
    { command: "tidemark backup s3://backups/orders", description: "To a bucket" }
  ])
)

const iso = (millis: number): string => DateTime.formatIso(DateTime.makeUnsafe(millis))

const rangeText = ({ first, last }: Backup.Range): string => first === last ? `${first}` : `${first} to ${last}`

export const backups = Command.make(
  "backups",
  {
    place,
    positions: Flag.Boolean("positions").pipe(
      Flag.withDescription("Also the positions between backups that can be restored"),
      Flag.withDefault(false)
    ),
    verify: Flag.Boolean("verify").pipe(
      Flag.withDescription("Also check every byte; the exit code is 1 if there is a problem"),
      Flag.withDefault(false)
    )
  },
  Effect.fn(function*({ place, positions, verify }) {
    const { json } = yield* common
    const from = Place.storageOf(place)
    const points = yield* Backup.points(from)
    const ranges = positions ? yield* Backup.positions(from) : undefined
    const verified = verify ? yield* Backup.verify(from) : undefined
    if (json) yield* Output.json({ backups: points, positions: ranges, verified })
    else yield* print(points, ranges, verified)
    const problems = verified?.problems.length ?? 0
    if (problems > 0) return yield* new Failure({ message: `${Output.counted(problems, "problem")} found` })
  })
).pipe(
  Command.withDescription(
    "List the backups that a place holds: the position of each in the log, and when it was made."
  ),
  Command.withShortDescription("List the backups of a place, and verify them"),
  Command.withExamples([
    { command: "tidemark backups /mnt/backups/orders --verify", description: "Check that all of them can be restored" }
  ])
)

const print = Effect.fnUntraced(function*(
  points: ReadonlyArray<Backup.Point>,
  ranges: ReadonlyArray<Backup.Range> | undefined,
  verified: Backup.Verified | undefined
) {
  if (points.length === 0) return yield* Output.line("no backups")
  const rows = points.map(({ position, seqNo, takenAt }) => [`${position}`, `${seqNo}`, iso(takenAt)])
  yield* Output.line(Output.table([["position", "seqNo", "taken"], ...rows]))
  if (ranges !== undefined) yield* Output.line(`can be restored: ${ranges.map(rangeText).join(", ")}`)
  if (verified === undefined) return
  for (const { detail, file, offset } of verified.problems) yield* Output.line(`${file}: offset ${offset}: ${detail}`)
  if (verified.problems.length === 0) {
    yield* Output.line(
      `${Output.counted(verified.blobs, "blob")} of ${Output.bytes(verified.bytes)} are as they were written`
    )
  }
})
