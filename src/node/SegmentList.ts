/**
 * The segment list: which segment files make up a log, in what order, and what frames each has.
 *
 * A newer epoch replaces the log from its segment's first position on. If an older writer resumes late and writes at or
 * behind that position, the file is in the directory but not in the list.
 *
 * @internal
 */
import { Effect } from "effect"
import { join } from "node:path"
import { Corrupt } from "../PersistError.ts"
import { decode } from "../Pure.ts"
import * as File from "./File.ts"
import * as Segment from "./Segment.ts"

/** A segment of the list. */
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

const pageBytes = 1024 * 1024

export const start = (link: Link): Point => ({ offset: Segment.headerBytes, position: link.base })

/** The segments of a `log` directory. A missing directory has none. */
export const list = (directory: string): Effect.Effect<Listing, File.FileError> =>
  Effect.map(File.listOrNone(directory), (names) => {
    const files = names.flatMap(({ name }) => {
      const parsed = Segment.parseName(name)
      return parsed === undefined ? [] : [{ ...parsed, path: join(directory, name) }]
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
  })

/** Whether a segment is still in the directory. If it is not, what was read of it may belong to another segment. */
export const has = (directory: string, link: Link): Effect.Effect<boolean, File.FileError> =>
  Effect.map(list(directory), ({ links }) => links.some(({ path }) => path === link.path))

export const readHeader = (fd: number, link: Link) =>
  Effect.flatMap(
    File.read(fd, 0, Segment.headerBytes),
    (bytes) => decode(() => Segment.decodeHeader(bytes, link.path, link.base, link.epoch))
  )

/** The frames from `point` on, about a page of them, but at least one if there is one. */
export const readRun = (
  fd: number,
  seed: number,
  point: Point,
  length = pageBytes
): Effect.Effect<Run, File.FileError> =>
  Effect.flatMap(File.read(fd, point.offset, length), (bytes) => {
    const page = Segment.page(bytes, point.offset)
    const run = parse(page, seed, point, bytes.length < length)
    if (run.frames.length > 0 || run.end !== undefined) return Effect.succeed(run)
    const claimed = Segment.claimAt(page, 0)!.size
    return Effect.flatMap(File.size(fd), (size) =>
      point.offset + claimed > size
        ? Effect.succeed<Run>({ ...run, end: "open" })
        : readRun(fd, seed, point, claimed))
  })

const parse = (page: Segment.Page, seed: number, point: Point, isLast: boolean): Run => {
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

/** Reads all frames from `point` on, to the point where they end. */
export const walk = (fd: number, seed: number, point: Point): Effect.Effect<Run, File.FileError> =>
  Effect.flatMap(
    readRun(fd, seed, point),
    (run) => run.end === undefined ? walk(fd, seed, run.next) : Effect.succeed(run)
  )

/** The file's contents from `offset` on. */
export const rest = (fd: number, offset: number): Effect.Effect<Segment.Page, File.FileError> =>
  Effect.flatMap(
    File.size(fd),
    (size) => Effect.map(File.read(fd, offset, Math.max(0, size - offset)), (bytes) => Segment.page(bytes, offset))
  )

/** Fails if there are valid frames after `end`, where there is none: what lies between was damaged, not torn. */
export const checkTail = (fd: number, link: Link, seed: number, end: Point) =>
  Effect.flatMap(rest(fd, end.offset), (page) => {
    const beyond = Segment.frameBeyond(page, seed, end.position)
    return beyond === undefined ? Effect.void : Effect.fail(damaged(link, end, `valid ones follow at ${beyond.offset}`))
  })

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
