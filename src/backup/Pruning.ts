/**
 * Giving up old backups: their points first, and then what only they needed. See `Backup.prune`.
 *
 * A mark says that blobs are being deleted. A backup that was made meanwhile may have taken one of them to be there, so that
 * it does not count where it finds the mark in the end. Where it does not, its point was there before the mark, and this
 * pruning keeps what it names.
 *
 * @internal
 */
import { Clock, Duration, Effect } from "effect"
import * as State from "../engine/State.ts"
import { Corrupt, type StorageError, Unavailable, ValueOutOfRange } from "../PersistError.ts"
import type { Blob } from "../storage/Blob.ts"
import * as Archive from "./Archive.ts"
import * as BackupFiles from "./BackupFiles.ts"

/** Which backups are kept. */
export interface Kept {
  readonly last?: number | undefined
  readonly within?: Duration.Input | undefined
}

const refuse = (detail: string) => Effect.fail(new ValueOutOfRange({ what: "which backups are kept", detail }))

/** Without a rule nothing would be pruned, and a rule that keeps none is a mistake. */
export const check = ({ last, within }: Kept): Effect.Effect<void, ValueOutOfRange> => {
  if (last === undefined && within === undefined) return refuse("say how many, or of how long ago")
  if (last !== undefined && (!Number.isSafeInteger(last) || last < 1)) return refuse(`${last} is no number of backups`)
  return Effect.void
}

/** The points that go: all that no rule keeps. The newest one stays whatever the rules say. */
export const expired = (
  points: ReadonlyArray<BackupFiles.Point>,
  { last = 1, within }: Kept,
  now: number
): ReadonlyArray<BackupFiles.Point> => {
  const from = within === undefined ? Infinity : now - Duration.toMillis(Duration.fromInputUnsafe(within))
  return points.slice(0, -last).filter(({ takenAt }) => takenAt < from)
}

/** Blobs by the names that they had in the store, and the first entry, that points need. */
const neededBy = Effect.fnUntraced(
  function*(archive: Archive.Archive, points: ReadonlyArray<BackupFiles.Point>) {
    const blobs = new Set<string>()
    for (const point of points) {
      for (const key of State.blobKeys(yield* Archive.atPoint(archive, point))) {
        blobs.add(key)
        if (archive.index.blobs.has(key)) continue
        const detail = `the backup of position ${point.position} lacks "${key}"`
        return yield* new Corrupt({ location: archive.blob.location, offset: 0, detail })
      }
    }
    return { blobs, logFrom: Math.min(...points.map(({ logFrom }) => logFrom)) }
  }
)

/** Sections that end before an entry. The last one stays: the next backup goes on behind it. */
const sectionsBefore = ({ index: { sections } }: Archive.Archive, logFrom: number) => {
  const end = Math.max(...sections.map(({ to }) => to))
  return sections.filter(({ to }) => to <= logFrom && to < end)
}

/** Deletes while the mark is there: another process may have taken this one for dead. */
const deleting = (blob: Blob["Service"], mark: string) =>
  Effect.fnUntraced(function*(key: string) {
    if ((yield* blob.get(mark))._tag === "Some") return yield* blob.delete(key)
    return yield* new Unavailable({
      operation: "pruning backups",
      detail: "it was suspended for so long that another process has taken over"
    })
  })

export const prune = Effect.fnUntraced(
  function*(blob: Blob["Service"], kept: Kept) {
    yield* check(kept)
    const now = yield* Clock.currentTimeMillis
    const mark = yield* BackupFiles.newMark(now)
    yield* Effect.acquireRelease(blob.put(mark, new Uint8Array(0)), () => Effect.ignore(blob.delete(mark)))
    const archive = yield* Archive.open(blob)
    const { blobs, points: positions } = archive.index
    const points = yield* Effect.forEach(positions, (position) => BackupFiles.readPoint(blob, position))
    const gone = expired(points, kept, now)
    const left = points.filter((point) => !gone.includes(point))
    if (left.length === 0) return { removed: [], kept: [], blobs: 0, bytes: 0 }
    // What is damaged is found here, before anything is deleted that could stand in for it.
    const needed = yield* neededBy(archive, left)
    const remove = deleting(blob, mark)
    for (const { position } of gone) yield* remove(BackupFiles.pointKey(position))
    const unneeded = [...blobs.keys()].filter((key) => !needed.blobs.has(key))
    for (const key of unneeded) yield* remove(BackupFiles.blobKey(key))
    for (const { key } of sectionsBefore(archive, needed.logFrom)) yield* remove(key)
    return {
      removed: gone.map(({ position }) => position),
      kept: left.map(({ position }) => position),
      blobs: unneeded.length,
      bytes: unneeded.reduce((sum, key) => sum + blobs.get(key)!, 0)
    }
  },
  Effect.scoped
)

/** After so long, the process that has left a mark has died. */
const longest = Duration.toMillis("1 hour")

const beingPruned = new Unavailable({ operation: "making a backup", detail: "backups of this place are being pruned" })

/** Removes the marks of processes that have died. */
export const checkNone: (archive: Archive.Archive) => Effect.Effect<void, StorageError> = Effect.fnUntraced(
  function*({ blob, index }: Archive.Archive) {
    const now = yield* Clock.currentTimeMillis
    for (const { key, startedAt } of index.marks) {
      if (now - startedAt < longest) return yield* beingPruned
      yield* blob.delete(key)
    }
  }
)

/** Withdraws a backup that was made while the place was pruned. */
export const checkComplete = Effect.fnUntraced(function*(before: Archive.Archive, state: State.State) {
  const { blob, index } = yield* Archive.open(before.blob)
  const isWhole = [...State.blobKeys(state)].every((key) => index.blobs.has(key))
  if (isWhole && index.marks.length === 0) return
  if (!before.index.points.includes(state.position)) yield* blob.delete(BackupFiles.pointKey(state.position))
  return yield* beingPruned
})
