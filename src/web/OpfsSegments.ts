/**
 * The segments of the log that a writer in the origin private file system keeps: adding them, ending them, removing them.
 *
 * @internal
 */
import { Effect, Random } from "effect"
import type { StorageError } from "../PersistError.ts"
import * as Segment from "../storage/Segment.ts"
import type { Files } from "./OpfsFiles.ts"

export const folder = "log"

/** A segment, as far as truncation needs it. */
export interface Earlier {
  readonly path: string
  readonly base: number
}

/** The segment that is appended to. */
export interface Active extends Earlier {
  readonly seed: number
  /** Where the next frame begins. */
  offset: number
}

export interface Segments {
  readonly active: () => Active
  readonly lower: () => number
  /** Goes on at `upper` in a new segment. */
  readonly moveOn: (upper: number) => Effect.Effect<void, StorageError>
  /** Says that nothing follows at `upper`. */
  readonly close: (upper: number) => Effect.Effect<void>
  /** Removes the segments that end at or below a position. */
  readonly truncate: (before: number) => Effect.Effect<void, StorageError>
}

/** Publishes an empty segment. */
const publish = Effect.fnUntraced(function*({ change }: Files, base: number, epoch: number) {
  const salt = (yield* Random.nextInt) >>> 0
  const header = Segment.encodeHeader({ base, epoch, salt })
  const path = `${folder}/${Segment.fileName(base, epoch)}`
  yield* change("adding a segment to the log", (host) => host.publish(path, header))
  const { seed } = Segment.decodeHeader(header, path, base, epoch)
  const active: Active = { path, base, seed, offset: Segment.headerBytes }
  return active
})

/**
 * Writes the end of a segment, and closes its file. Where that fails, the segment is still followed by the next one, as their
 * positions say.
 */
const end = ({ change }: Files, { offset, path, seed }: Active, kind: "continued" | "closed", upper: number) =>
  Effect.ignore(change("ending a segment of the log", async (host) => {
    await host.write(path, offset, Segment.encodeEnd(kind, seed, upper))
    await host.close(path)
  }))

/** Begins the segment of an epoch, behind those of earlier ones. */
export const make = Effect.fnUntraced(
  function*(files: Files, epoch: number, before: ReadonlyArray<Earlier>, upper: number) {
    let earlier = before
    let active = yield* publish(files, upper, epoch)

    const segments: Segments = {
      active: () => active,
      lower: () => (earlier[0] ?? active).base,
      moveOn: Effect.fnUntraced(function*(upper) {
        const full = active
        active = yield* publish(files, upper, epoch)
        earlier = [...earlier, full]
        yield* end(files, full, "continued", upper)
      }),
      close: (upper) => end(files, active, "closed", upper),
      truncate: Effect.fnUntraced(function*(before) {
        const all = [...earlier, active]
        const gone = earlier.filter((_, i) => all[i + 1]!.base <= before)
        yield* files.change("truncating the log", (host) => Promise.all(gone.map(({ path }) => host.remove(path))))
        earlier = earlier.slice(gone.length)
      })
    }
    return segments
  }
)
