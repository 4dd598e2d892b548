/**
 * The chain of segments: which files make up a log, in what order, and how the frames of one follow each other.
 *
 * A newer epoch replaces the log from its segment's first position on. If an older writer resumes late and writes at or
 * behind that position, the file is in the directory but not in the chain. Nothing here does I/O.
 *
 * @internal
 */
import { Effect } from "effect"
import { Corrupt } from "../PersistError.ts"
import * as Segment from "./Segment.ts"

/** A segment of the chain. */
export interface Link {
  readonly path: string
  readonly base: number
  readonly epoch: number
  /** The first position of the segment after it, if there is one. */
  readonly next: number | undefined
}

/** A point between two frames. */
export interface Point {
  readonly offset: number
  /** The position of the next entry. */
  readonly position: number
}

/** Consecutive frames of a segment, and the point after them. */
export interface Run {
  readonly frames: ReadonlyArray<Segment.Frame>
  readonly next: Point
  /** Why there is no frame at `next`, or `undefined` where there may be one. */
  readonly end: "open" | "continued" | "closed" | undefined
}

export interface Listing {
  readonly links: ReadonlyArray<Link>
  /** Segment files that contain no position of the log. */
  readonly superseded: ReadonlyArray<string>
}

export const start = (link: Link): Point => ({ offset: Segment.headerBytes, position: link.base })

/** The segments among the files of a directory, given their names and what makes paths of these. */
export const chainOf = (names: ReadonlyArray<string>, locate: (name: string) => string): Listing => {
  const files = names.flatMap((name) => {
    const parsed = Segment.parseName(name)
    return parsed === undefined ? [] : [{ ...parsed, path: locate(name) }]
  }).toSorted((a, b) => a.base - b.base || a.epoch - b.epoch)
  const chain: Array<Omit<Link, "next">> = []
  const superseded: Array<string> = []
  let epoch = 0
  for (const file of files) {
    if (file.epoch < epoch) superseded.push(file.path)
    else {
      epoch = file.epoch
      if (chain.at(-1)?.base === file.base) superseded.push(chain.pop()!.path)
      chain.push(file)
    }
  }
  return {
    superseded,
    links: chain.map(({ base, epoch, path }, i) => ({ base, epoch, path, next: chain[i + 1]?.base }))
  }
}

/** The frames of a page from `point` on. Where they reach the end of a page that is not the last one, `end` is undefined. */
export const parse = (page: Segment.Page, seed: number, point: Point, isLast: boolean): Run => {
  const frames: Array<Segment.Frame> = []
  let { offset, position } = point
  for (;;) {
    const at = offset - page.offset
    const frame = Segment.frameAt(page, at, seed)
    if (frame === undefined || frame.position !== position) {
      const isCut = !isLast && frame === undefined && at + bytesNeeded(page, at) > page.bytes.length
      return { frames, next: { offset, position }, end: isCut ? undefined : "open" }
    }
    if (frame.kind !== "data") return { frames, next: { offset, position }, end: frame.kind }
    frames.push(frame)
    offset += frame.size
    position += frame.count
  }
}

/** How many bytes from `at` on are needed to decide whether there is a frame. */
const bytesNeeded = (page: Segment.Page, at: number): number =>
  at + Segment.frameHeaderBytes > page.bytes.length
    ? Segment.frameHeaderBytes
    : Segment.claimAt(page, at)?.size ?? 0

/** Fails if the frames of a segment, which end at `end`, do not reach the next segment. */
export const checkJoint = (link: Link, end: Point, next: number): Effect.Effect<void, Corrupt> => {
  if (end.position === next) return Effect.void
  if (end.position < next) return Effect.fail(damaged(link, end, `the next segment begins at entry ${next}`))
  const detail = `the entries from ${next} on are in the next segment, too`
  return Effect.fail(new Corrupt({ location: link.path, offset: end.offset, detail }))
}

export const damaged = (link: Link, at: Point, evidence: string): Corrupt =>
  new Corrupt({
    location: link.path,
    offset: at.offset,
    detail: `the entries from ${at.position} on are missing or damaged, but ${evidence}`
  })

/** The last segment says that another one follows. */
export const missingNext = (link: Link, end: Point): Corrupt =>
  new Corrupt({
    location: link.path,
    offset: end.offset,
    detail: `another segment, with the entries from ${end.position} on, should follow, but is missing`
  })
