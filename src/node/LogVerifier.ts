/**
 * Checks every byte of the log, without the lock and without changing anything.
 *
 * @internal
 */
import { Effect, Stream } from "effect"
import { Corrupt, type StorageError, type UnsupportedFormat } from "../PersistError.ts"
import { decode } from "../Pure.ts"
import * as Segment from "../storage/Segment.ts"
import * as SegmentChain from "../storage/SegmentChain.ts"
import * as Directory from "./Directory.ts"
import * as File from "./File.ts"
import * as SegmentList from "./SegmentList.ts"

type Problem = Corrupt | UnsupportedFormat

const isProblem = <E extends StorageError | File.FileError>(error: E): error is E & Problem =>
  error._tag === "Corrupt" || error._tag === "UnsupportedFormat"

/** The problems of a store's marker and of its log. */
export const verify = (directory: Directory.Directory): Stream.Stream<Problem, StorageError> =>
  Stream.concat(
    problemsOf(Effect.as(Directory.check(directory), [])),
    Stream.unwrap(refuse(Effect.map(
      SegmentList.list(directory.log),
      ({ links }) => Stream.flatMap(Stream.fromArray(links), (link) => problemsOf(verifySegment(directory, link)))
    )))
  )

const refuse = File.orRefuse("verifying the log", "the log")

const problemsOf = (effect: Effect.Effect<ReadonlyArray<Problem>, StorageError>) =>
  Stream.unwrap(Effect.map(
    Effect.catchIf(effect, isProblem, (problem) => Effect.succeed([problem])),
    (problems) => Stream.fromArray(problems)
  ))

const verifySegment = (
  directory: Directory.Directory,
  link: SegmentChain.Link
): Effect.Effect<ReadonlyArray<Problem>, StorageError> =>
  File.using(
    link.path,
    File.flags.read,
    Effect.fnUntraced(function*(fd) {
      const { seed } = yield* SegmentList.readHeader(fd, link)
      const { problems, run } = yield* verifyFrames(fd, seed, link)
      const isLast = Effect.map(SegmentList.list(directory.log), ({ links }) => links.at(-1)?.path === link.path)
      return yield* verifyEnd(fd, link, run, isLast).pipe(
        Effect.as(problems),
        Effect.catchIf(isProblem, (problem) => Effect.succeed([...problems, problem]))
      )
    })
  ).pipe(
    Effect.catchIf(isProblem, (problem) => Effect.succeed([problem])),
    // It may have been truncated since it was listed, and its file may be another segment's by now.
    Effect.filterOrElse(
      (problems) => problems.length === 0,
      (problems) => Effect.map(SegmentList.has(directory.log, link), (isThere) => isThere ? problems : [])
    ),
    Effect.catchIf(File.isMissing, () => Effect.succeed([])),
    refuse
  )

/** Continues behind damage, where it can. */
const verifyFrames = Effect.fnUntraced(function*(fd: number, seed: number, link: SegmentChain.Link) {
  const problems: Array<Problem> = []
  let point = SegmentChain.start(link)
  for (;;) {
    const run = yield* SegmentList.readRun(fd, seed, point)
    yield* decode(() => run.frames.forEach((frame) => Segment.entriesOf(frame, link.path)))
    point = run.next
    if (run.end === undefined) continue
    if (run.end !== "open") return { problems, run }
    const beyond = Segment.frameBeyond(yield* SegmentList.rest(fd, point.offset), seed, point.position)
    if (beyond === undefined) return { problems, run }
    // A writer may have put a frame here since, and others behind it.
    const again = yield* SegmentList.readRun(fd, seed, point)
    if (again.end !== "open" || again.frames.length > 0) continue
    problems.push(SegmentChain.damaged(link, point, `valid ones follow at ${beyond.offset}`))
    point = { offset: beyond.offset, position: beyond.position }
  }
})

/**
 * A segment is cut right behind the frame that ends it. Until then it has room for more than such a frame, and the
 * bytes there, such as parts of an append that a crash interrupted, do not belong to the log.
 */
const verifyEnd = Effect.fnUntraced(function*(
  fd: number,
  link: SegmentChain.Link,
  { end, next }: SegmentChain.Run,
  isLast: Effect.Effect<boolean, File.FileError>
) {
  if (link.next !== undefined) yield* SegmentChain.checkJoint(link, next, link.next)
  else if (end === "continued" && (yield* isLast)) return yield* SegmentChain.missingNext(link, next)
  const rest = (yield* File.size(fd)) - next.offset
  if (rest >= Segment.openBytes && !(yield* wantsMore(fd, next, rest))) return
  if (end === "open") {
    return yield* corrupt(link, next.offset, "the segment was cut off here, or the frame that ended it is damaged")
  }
  if (rest > Segment.frameHeaderBytes) {
    return yield* corrupt(
      link,
      next.offset + Segment.frameHeaderBytes,
      "there is something behind the end of the segment"
    )
  }
})

/** Whether the append that was in progress had more room than the file has now. */
const wantsMore = (fd: number, next: SegmentChain.Point, rest: number): Effect.Effect<boolean, File.FileError> =>
  Effect.map(File.read(fd, next.offset, Segment.frameHeaderBytes), (head) => {
    const claim = Segment.claimAt(Segment.page(head, next.offset), 0)
    return claim?.position === next.position && claim.size > rest
  })

const corrupt = (link: SegmentChain.Link, offset: number, detail: string): Corrupt =>
  new Corrupt({ location: link.path, offset, detail })
