/**
 * Checking every byte of the log, without the lock and without changing anything.
 *
 * @internal
 */
import { Effect, Stream } from "effect"
import { Corrupt, type StorageError, type UnsupportedFormat } from "../PersistError.ts"
import * as Chain from "./Chain.ts"
import * as Directory from "./Directory.ts"
import * as File from "./File.ts"
import * as Segment from "./Segment.ts"

type Problem = Corrupt | UnsupportedFormat

const isProblem = <E extends StorageError | File.FileError>(error: E): error is E & Problem =>
  error._tag === "Corrupt" || error._tag === "UnsupportedFormat"

/** The problems of a store's marker and of its log. */
export const verify = (directory: Directory.Directory): Stream.Stream<Problem, StorageError> =>
  Stream.concat(
    problemsOf(Effect.as(Directory.check(directory), [])),
    Stream.unwrap(refuse(Effect.map(
      Chain.list(directory.log),
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
  link: Chain.Link
): Effect.Effect<ReadonlyArray<Problem>, StorageError> =>
  File.using(
    link.path,
    File.flags.read,
    Effect.fnUntraced(function*(fd) {
      const { seed } = yield* Chain.readHeader(fd, link)
      const { problems, run } = yield* verifyFrames(fd, seed, link)
      const isLast = Effect.map(Chain.list(directory.log), ({ links }) => links.at(-1)?.path === link.path)
      return yield* verifyEnd(fd, link, run, isLast).pipe(
        Effect.as(problems),
        Effect.catchIf(isProblem, (problem) => Effect.succeed([...problems, problem]))
      )
    })
  ).pipe(
    // It was truncated away since it was listed.
    Effect.catchIf((error) => error._tag === "FileError" && error.code === "ENOENT", () => Effect.succeed([])),
    refuse
  )

/** Goes on behind damage, where it can. */
const verifyFrames = Effect.fnUntraced(function*(fd: number, seed: number, link: Chain.Link) {
  const problems: Array<Problem> = []
  let point = Chain.start(link)
  for (;;) {
    const run = yield* Chain.readRun(fd, seed, point)
    yield* Chain.checked(() => run.frames.forEach((frame) => Segment.entriesOf(frame, link.path)))
    point = run.next
    if (run.end === undefined) continue
    if (run.end !== "open") return { problems, run }
    const beyond = Segment.frameBeyond(yield* Chain.rest(fd, point.offset), seed, point.position)
    if (beyond === undefined) return { problems, run }
    // A writer may have put a frame here since, and others behind it.
    const again = yield* Chain.readRun(fd, seed, point)
    if (again.end !== "open" || again.frames.length > 0) continue
    problems.push(Chain.damaged(link, point, `valid ones follow at ${beyond.offset}`))
    point = { offset: beyond.offset, position: beyond.position }
  }
})

/** Behind the last frame may be nothing but zeros, and in an open segment one torn frame. */
const verifyEnd = Effect.fnUntraced(function*(
  fd: number,
  link: Chain.Link,
  { end, next }: Chain.Run,
  isLast: Effect.Effect<boolean, File.FileError>
) {
  const tail = yield* Chain.rest(fd, next.offset)
  if (link.next !== undefined) yield* Chain.checkJoint(link, next, link.next)
  else if (end === "continued" && (yield* isLast)) return yield* Chain.missingNext(link, next)
  else if (end === "open" && tail.bytes.length < Segment.frameHeaderBytes) {
    return yield* corrupt(link, next.offset, "the file was cut off here")
  }
  const begin = end === "open" ? tornSize(link, next, tail) : Segment.frameHeaderBytes
  const at = tail.bytes.subarray(begin).findIndex((byte) => byte !== 0)
  if (at >= 0) return yield* corrupt(link, next.offset + begin + at, "there is something behind the end of the log")
})

/** What an append that a crash has cut short, or that is under way, may have left. Only the last segment has any. */
const tornSize = (link: Chain.Link, end: Chain.Point, tail: Segment.Page): number => {
  const claim = Segment.claimAt(tail, 0)
  const isTorn = link.next === undefined && claim?.kind === "data" && claim.position === end.position &&
    claim.size <= tail.bytes.length
  return isTorn ? claim.size : 0
}

const corrupt = (link: Chain.Link, offset: number, detail: string): Corrupt =>
  new Corrupt({ location: link.path, offset, detail })
