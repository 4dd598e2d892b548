/**
 * Reads the segments of a `log` directory: which there are, and what frames each has.
 *
 * @internal
 */
import { Effect } from "effect"
import { join } from "node:path"
import { decode } from "../Pure.ts"
import * as Segment from "../storage/Segment.ts"
import * as SegmentChain from "../storage/SegmentChain.ts"
import * as File from "./File.ts"

const pageBytes = 1024 * 1024

/** The segments of a `log` directory. A missing directory has none. */
export const list = (directory: string): Effect.Effect<SegmentChain.Listing, File.FileError> =>
  Effect.map(
    File.listOrNone(directory),
    (names) => SegmentChain.chainOf(names.map(({ name }) => name), (name) => join(directory, name))
  )

/** Whether a segment is still in the directory. If it is not, what was read of it may belong to another segment. */
export const has = (directory: string, link: SegmentChain.Link): Effect.Effect<boolean, File.FileError> =>
  Effect.map(list(directory), ({ links }) => links.some(({ path }) => path === link.path))

export const readHeader = (fd: number, link: SegmentChain.Link) =>
  Effect.flatMap(
    File.read(fd, 0, Segment.headerBytes),
    (bytes) => decode(() => Segment.decodeHeader(bytes, link.path, link.base, link.epoch))
  )

/** The frames from `point` on, about a page of them, but at least one if there is one. */
export const readRun = (
  fd: number,
  seed: number,
  point: SegmentChain.Point,
  length = pageBytes
): Effect.Effect<SegmentChain.Run, File.FileError> =>
  Effect.flatMap(File.read(fd, point.offset, length), (bytes) => {
    const page = Segment.page(bytes, point.offset)
    const run = SegmentChain.parse(page, seed, point, bytes.length < length)
    if (run.frames.length > 0 || run.end !== undefined) return Effect.succeed(run)
    const claimed = Segment.claimAt(page, 0)!.size
    return Effect.flatMap(File.size(fd), (size) =>
      point.offset + claimed > size
        ? Effect.succeed<SegmentChain.Run>({ ...run, end: "open" })
        : readRun(fd, seed, point, claimed))
  })

/** Reads all frames from `point` on, to the point where they end. */
export const walk = (
  fd: number,
  seed: number,
  point: SegmentChain.Point
): Effect.Effect<SegmentChain.Run, File.FileError> =>
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
export const checkTail = (fd: number, link: SegmentChain.Link, seed: number, end: SegmentChain.Point) =>
  Effect.flatMap(rest(fd, end.offset), (page) => {
    const beyond = Segment.frameBeyond(page, seed, end.position)
    return beyond === undefined
      ? Effect.void
      : Effect.fail(SegmentChain.damaged(link, end, `valid ones follow at ${beyond.offset}`))
  })
