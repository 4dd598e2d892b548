/**
 * Reads the segments of a log in the origin private file system, also while another tab appends to it.
 *
 * A whole segment is read at once: they are small. What another tab has appended is seen when it is written, some
 * milliseconds before it is flushed.
 *
 * @internal
 */
import { Effect, Option, Stream } from "effect"
import { type Corrupt, type StorageError, Unavailable, type UnsupportedFormat } from "../PersistError.ts"
import { decode } from "../Pure.ts"
import type { Bounds, Entry } from "../storage/Log.ts"
import * as LogRules from "../storage/LogRules.ts"
import * as Segment from "../storage/Segment.ts"
import * as SegmentChain from "../storage/SegmentChain.ts"
import type { Files } from "./OpfsFiles.ts"
import { folder } from "./OpfsSegments.ts"

const reading = "reading the log"

/** A segment's frames from some point on, and what follows them. */
export interface Part {
  readonly seed: number
  readonly run: SegmentChain.Run
  /** What is behind the frames. */
  readonly rest: Segment.Page
}

/** How far the last segment has been read. */
interface Known {
  readonly path: string
  readonly seed: number
  readonly point: SegmentChain.Point
}

export interface OpfsLogReader {
  readonly listing: Effect.Effect<SegmentChain.Listing, StorageError>
  /** All frames of a segment; none where there is no such file. */
  readonly part: (link: SegmentChain.Link) => Effect.Effect<Option.Option<Part>, StorageError>
  readonly bounds: Effect.Effect<Bounds, StorageError>
  /** The entries from `from` on, below `limit`. */
  readonly read: (from: number, limit: number) => Stream.Stream<Entry, StorageError>
  readonly verify: Stream.Stream<Corrupt | UnsupportedFormat, StorageError>
}

export const make = ({ read: readFile }: Files): OpfsLogReader => {
  let known: Known | undefined

  const listing = Effect.map(
    readFile(reading, (host) => host.list(folder)),
    (found) => SegmentChain.chainOf(found.map(({ name }) => name), (name) => `${folder}/${name}`)
  )

  /** The frames from a point on, whose seed is known, or all. */
  const partFrom = Effect.fnUntraced(function*(link: SegmentChain.Link, from: Known | undefined) {
    const offset = from?.point.offset ?? 0
    const bytes = yield* readFile(reading, (host) => host.read(link.path, offset, Number.MAX_SAFE_INTEGER))
    if (bytes === undefined) return Option.none<Part>()
    const seed = from?.seed ??
      (yield* decode(() =>
        Segment.decodeHeader(bytes.subarray(0, Segment.headerBytes), link.path, link.base, link.epoch)
      ))
        .seed
    const page = Segment.page(bytes, offset)
    const run = SegmentChain.parse(page, seed, from?.point ?? SegmentChain.start(link), true)
    const rest = Segment.page(bytes.subarray(run.next.offset - offset), run.next.offset)
    return Option.some<Part>({ seed, run, rest })
  })

  const part: OpfsLogReader["part"] = (link) => partFrom(link, undefined)

  /** The entries of a segment from `from` on. Fails where they do not reach the next segment. */
  const entriesOf = Effect.fnUntraced(function*(link: SegmentChain.Link, from: number, limit: number) {
    const start = known?.path === link.path && known.point.position <= from ? known : undefined
    const found = yield* partFrom(link, start)
    // It was truncated since it was listed.
    if (Option.isNone(found)) return yield* LogRules.truncated(from, link.next ?? from)
    const { run, seed } = found.value
    if (link.next !== undefined) yield* SegmentChain.checkJoint(link, run.next, link.next)
    else if (limit === Infinity) known = { path: link.path, seed, point: run.next }
    return yield* decode(() => entriesIn(link, run.frames, from, limit))
  })

  const chainFrom = (from: number) =>
    Effect.flatMap(listing, ({ links }) => {
      const lower = links[0]?.base ?? 0
      if (from < lower) return Effect.fail(LogRules.truncated(from, lower))
      return Effect.succeed(links.filter(({ next }) => next === undefined || next > from))
    })

  const bounds = Effect.gen(function*() {
    const { links } = yield* listing
    const [first, last] = [links[0], links.at(-1)]
    if (first === undefined || last === undefined) return { lower: 0, upper: 0 }
    const from = known?.path === last.path ? known.point.position : last.base
    const entries = yield* entriesOf(last, from, Infinity)
    return { lower: first.base, upper: from + entries.length }
  })

  return {
    listing,
    part,
    bounds,
    read: (from, limit) =>
      Stream.unwrap(Effect.map(chainFrom(from), (links) =>
        Stream.fromIterable(links).pipe(
          Stream.mapEffect((link) => entriesOf(link, Math.max(from, link.base), limit)),
          Stream.flattenIterable
        ))),
    verify: Stream.unwrap(Effect.map(listing, ({ links }) =>
      Stream.fromIterable(links).pipe(
        Stream.mapEffect((link) => Effect.flatMap(part(link), (found) => check(link, found))),
        Stream.drain,
        Stream.catchTag(["Corrupt", "UnsupportedFormat"], (problem) => Stream.make(problem))
      )))
  }
}

/** Fails with what is wrong with a segment. */
export const check = (
  link: SegmentChain.Link,
  found: Option.Option<Part>
): Effect.Effect<void, Corrupt | Unavailable> => {
  if (Option.isNone(found)) return Effect.fail(new Unavailable({ operation: reading, detail: `${link.path} is gone` }))
  const { rest, run, seed } = found.value
  if (link.next !== undefined) return SegmentChain.checkJoint(link, run.next, link.next)
  if (run.end === "continued") return Effect.fail(SegmentChain.missingNext(link, run.next))
  const beyond = run.end === "open" ? Segment.frameBeyond(rest, seed, run.next.position) : undefined
  if (beyond === undefined) return Effect.void
  return Effect.fail(SegmentChain.damaged(link, run.next, `valid ones follow at ${beyond.offset}`))
}

const entriesIn = (
  link: SegmentChain.Link,
  frames: ReadonlyArray<Segment.Frame>,
  from: number,
  limit: number
): ReadonlyArray<Entry> =>
  frames.flatMap((frame) =>
    Segment.entriesOf(frame, link.path)
      .map((bytes, i): Entry => ({ position: frame.position + i, epoch: link.epoch, bytes }))
      .filter(({ position }) => position >= from && position < limit)
  )
