/**
 * Reads the log, also while a writer in another process appends to it.
 *
 * What another writer has written need not be on the disk yet. What is on the disk need not survive a takeover that is
 * in progress. So a reader flushes what it has read of the last segment itself, and then checks that no newer epoch has
 * begun. Only then will the next writer find it, too.
 *
 * @internal
 */
import { Effect, Option, Schedule, Stream } from "effect"
import { Buffer } from "node:buffer"
import { type Corrupt, type StorageError, Unavailable } from "../PersistError.ts"
import { decode } from "../Pure.ts"
import type { Bounds, Entry } from "../storage/Log.ts"
import * as LogRules from "../storage/LogRules.ts"
import * as Segment from "../storage/Segment.ts"
import * as SegmentChain from "../storage/SegmentChain.ts"
import * as Directory from "./Directory.ts"
import * as File from "./File.ts"
import * as Lock from "./Lock.ts"
import type { Machine } from "./LockHolder.ts"
import * as SegmentList from "./SegmentList.ts"

export interface LogReader {
  readonly bounds: Effect.Effect<Bounds, StorageError>
  readonly read: (from: number) => Stream.Stream<Entry, StorageError>
}

interface Cursor {
  readonly link: SegmentChain.Link
  readonly point: SegmentChain.Point
  /** Whether everything before the point is known to be valid, so that damage can only be at the point. */
  readonly isResumed: boolean
}

interface Known extends Cursor {
  /** The bytes at the point instead of a frame: while they are unchanged, nothing has been written. */
  readonly found: Uint8Array
}

type Page = readonly [ReadonlyArray<Entry>, Option.Option<Cursor>]

const reading = "reading the log"
/** The page size of a resumed read: a follower mostly finds few new entries. */
const resumedBytes = 64 * 1024

/** A writer in this process. Everything below its upper is durable, unless it is fenced. */
export interface Local {
  readonly upper: () => number
  readonly confirm: Effect.Effect<void, StorageError>
}

/** What a reader needs, and what it remembers from one read to the next. */
interface Source {
  readonly directory: Directory.Directory
  readonly machine: Machine
  /**
   * How far the last segment of another process's writer has been read: a follower continues there, not at its first
   * frame.
   */
  known: Known | undefined
}

export const make = (
  directory: Directory.Directory,
  machine: Machine,
  localWriter: () => Local | undefined
): LogReader => {
  const source: Source = { directory, machine, known: undefined }
  const refuse = File.orRefuse(reading, directory.root)

  const read = (from: number): Stream.Stream<Entry, StorageError> =>
    Stream.unwrap(Effect.gen(function*() {
      const local = localWriter()
      if (local !== undefined) return whileOurs(local, pages(from, local.upper()))
      yield* Directory.check(directory)
      return pages(from, undefined)
    }))

  const pages = (from: number, limit: number | undefined): Stream.Stream<Entry, StorageError> =>
    Stream.unwrap(Effect.gen(function*() {
      const first = yield* locate(source, yield* refuse(links(source)), from)
      if (Option.isNone(first)) return Stream.empty
      return Stream.paginate(first.value, (cursor) => Effect.retry(page(source, cursor, from, limit), untilTakenOver))
    }))

  const bounds = Effect.gen(function*() {
    const local = localWriter()
    if (local === undefined) yield* Directory.check(directory)
    const chain = yield* refuse(links(source))
    const lower = chain[0]?.base ?? 0
    if (local !== undefined) return yield* Effect.as(local.confirm, { lower, upper: local.upper() })
    const last = chain.at(-1)
    if (last === undefined) return { lower: 0, upper: 0 }
    const { known } = source
    const from = known?.link.path === last.path ? known.point.position : last.base
    return { lower, upper: yield* Stream.runFold(read(from), () => from, (_, { position }) => position + 1) }
  })

  return { bounds, read }
}

const links = ({ directory }: Source) => Effect.map(SegmentList.list(directory.log), (listing) => listing.links)

const locate = (
  { known }: Source,
  chain: ReadonlyArray<SegmentChain.Link>,
  position: number
): Effect.Effect<Option.Option<Cursor>, Unavailable> => {
  const lower = chain[0]?.base ?? 0
  if (position < lower) return Effect.fail(LogRules.truncated(position, lower))
  const link = chain.findLast(({ base }) => base <= position)
  if (link === undefined) return Effect.succeedNone
  return Effect.succeedSome(
    known?.link.path === link.path && known.point.position <= position
      ? { link, point: known.point, isResumed: true }
      : { link, point: SegmentChain.start(link), isResumed: false }
  )
}

const page = (
  source: Source,
  cursor: Cursor,
  from: number,
  limit: number | undefined
): Effect.Effect<Page, StorageError> =>
  limit !== undefined && cursor.point.position >= limit
    ? Effect.succeed([[], Option.none()])
    : File.using(cursor.link.path, File.flags.readAndFlush, (fd) => pageOf(source, fd, cursor, from, limit)).pipe(
      Effect.catchIf(File.isMissing, () => relocate(source, cursor)),
      Effect.catchTag("Corrupt", (problem) => unlessGone(source, cursor, problem)),
      File.orRefuse(reading, source.directory.root)
    )

/** A segment that is gone may have become another one while it was read: then nothing was damaged. */
const unlessGone = (
  source: Source,
  cursor: Cursor,
  problem: Corrupt
): Effect.Effect<Page, StorageError | File.FileError> =>
  Effect.flatMap(
    SegmentList.has(source.directory.log, cursor.link),
    (isThere): Effect.Effect<Page, StorageError | File.FileError> =>
      isThere ? Effect.fail(problem) : relocate(source, cursor)
  )

/** The segment is gone: truncated, or superseded, since it was empty. */
const relocate = Effect.fnUntraced(function*(source: Source, { link, point }: Cursor) {
  const moved = yield* locate(source, yield* links(source), point.position)
  if (Option.isSome(moved) && moved.value.link.path === link.path) {
    return yield* LogRules.truncated(point.position, link.base)
  }
  return [[], moved] satisfies Page
})

const pageOf = Effect.fnUntraced(
  function*(source: Source, fd: number, cursor: Cursor, from: number, limit: number | undefined) {
    const { link, point } = cursor
    const { seed } = yield* SegmentList.readHeader(fd, link)
    const run = yield* SegmentList.readRun(fd, seed, point, cursor.isResumed ? resumedBytes : undefined)
    const isTail = limit === undefined && link.next === undefined
    if (isTail && run.frames.length > 0) {
      const moved = yield* confirm(source, fd, cursor)
      if (Option.isSome(moved)) return [[], moved] satisfies Page
    }
    const entries = yield* decode(() => entriesOf(run, link, from, limit ?? Infinity))
    if (run.end === undefined) return [entries, Option.some({ ...cursor, point: run.next })] satisfies Page
    return [entries, yield* after(source, fd, seed, { ...cursor, point: run.next }, run.end, limit)] satisfies Page
  }
)

/** Makes durable what was read. If another writer has taken the log over, returns where to read again. */
const confirm = Effect.fnUntraced(function*(source: Source, fd: number, { link, point }: Cursor) {
  const { directory, machine } = source
  yield* File.syncData(fd)
  if (!(yield* Lock.isSucceeded(directory, machine, link.epoch))) return Option.none<Cursor>()
  const chain = yield* links(source)
  if (chain.at(-1)?.epoch === link.epoch) return yield* takingOver
  return yield* locate(source, chain, point.position)
})

/** Where to continue when the frames of a segment have ended. */
const after = Effect.fnUntraced(function*(
  source: Source,
  fd: number,
  seed: number,
  cursor: Cursor,
  end: NonNullable<SegmentChain.Run["end"]>,
  limit: number | undefined
) {
  const { link, point } = cursor
  if (limit !== undefined && point.position >= limit) return Option.none<Cursor>()
  if (link.next !== undefined) {
    yield* SegmentChain.checkJoint(link, point, link.next)
    return yield* locate(source, yield* links(source), point.position)
  }
  if (limit !== undefined) return yield* SegmentChain.damaged(link, point, `those up to ${limit} were written`)
  if (end === "continued") {
    const chain = yield* links(source)
    if (chain.at(-1)?.path === link.path) return yield* SegmentChain.missingNext(link, point)
    return yield* locate(source, chain, point.position)
  }
  const found = yield* File.read(fd, point.offset, Segment.frameHeaderBytes)
  const isNew = end === "open" && !wasFound(source, cursor, found)
  if (isNew && (yield* hasMore(fd, seed, cursor))) return Option.some(cursor)
  source.known = { ...cursor, found }
  return Option.none<Cursor>()
})

const wasFound = ({ known }: Source, { link, point }: Cursor, found: Uint8Array): boolean =>
  known?.link.path === link.path && known.point.position === point.position &&
  Buffer.compare(known.found, found) === 0

/** Whether a frame has appeared since. Fails if there is none although there is one behind it. */
const hasMore = Effect.fnUntraced(function*(fd: number, seed: number, { link, point }: Cursor) {
  const rest = yield* SegmentList.rest(fd, point.offset)
  if (Segment.frameBeyond(rest, seed, point.position) === undefined) return false
  const again = yield* SegmentList.readRun(fd, seed, point)
  if (again.frames.length === 0 && again.end === "open") {
    return yield* SegmentChain.damaged(link, point, "there are valid ones behind them")
  }
  return true
})

/** Other processes may have changed what a fenced writer reads: it is neither the log nor damage. */
const whileOurs = (local: Local, entries: Stream.Stream<Entry, StorageError>): Stream.Stream<Entry, StorageError> =>
  entries.pipe(
    Stream.catch((problem) => Stream.fromEffect(Effect.andThen(local.confirm, Effect.fail(problem)))),
    Stream.concat(Stream.fromEffectDrain(local.confirm))
  )

const entriesOf = (run: SegmentChain.Run, link: SegmentChain.Link, from: number, limit: number): Array<Entry> => {
  const entries: Array<Entry> = []
  for (const frame of run.frames) {
    if (frame.position + frame.count <= from || frame.position >= limit) continue
    Segment.entriesOf(frame, link.path).forEach((bytes, i) => {
      const position = frame.position + i
      if (position >= from) entries.push({ position, epoch: link.epoch, bytes })
    })
  }
  return entries
}

const takingOver = new Unavailable({ operation: reading, detail: "another process is taking the store over" })

/** A takeover takes milliseconds; one whose process was stopped must not block readers for ever. */
const untilTakenOver = {
  schedule: Schedule.spaced("10 millis").pipe(Schedule.upTo({ times: 100 })),
  while: (error: StorageError) => error === takingOver
}
