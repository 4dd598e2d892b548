/**
 * The log in the origin private file system: acquiring it, reading it, noticing that it grew.
 *
 * It is made of the segments of `docs/format.md`. A new writer closes the last segment by a copy, as what was read of it may have
 * come from a cache whose flush had failed, and goes on in a segment of its own.
 *
 * @internal
 */
import { Effect, Option, type Scope, Stream } from "effect"
import { Fenced, type Locked, type StorageError } from "../PersistError.ts"
import type { Log, Writer } from "../storage/Log.ts"
import * as Segment from "../storage/Segment.ts"
import type * as SegmentChain from "../storage/SegmentChain.ts"
import type * as Hints from "./Hints.ts"
import type { Files } from "./OpfsFiles.ts"
import * as OpfsLogReader from "./OpfsLogReader.ts"
import * as OpfsLogWriter from "./OpfsLogWriter.ts"
import type { TabLock } from "./TabLock.ts"

export interface Options {
  readonly files: Files
  readonly lock: TabLock
  readonly hints: Hints.Hints
  readonly segmentBytes: number
}

const acquiring = "acquiring the log"

/** The end of the last segment with entries, if there is one. */
interface Tail {
  readonly path: string
  readonly seed: number
  readonly end: SegmentChain.Point
}

const epochOf = (path: string): number => Segment.parseName(path.slice(path.indexOf("/") + 1))?.epoch ?? 0

/** Checks the segments from the last one with entries on, and closes the last one, unless it is closed. */
const recover = Effect.fnUntraced(
  function*(files: Files, reader: OpfsLogReader.OpfsLogReader, links: ReadonlyArray<SegmentChain.Link>) {
    for (const link of links.toReversed()) {
      const found = yield* reader.part(link)
      yield* OpfsLogReader.check(link, found)
      const { run: { end: kind, next: end }, seed } = Option.getOrThrow(found)
      if (link.next === undefined && kind !== "closed") yield* close(files, { path: link.path, seed, end })
      if (end.position > link.base) return { path: link.path, seed, end } satisfies Tail
    }
    return undefined
  }
)

/** What the previous writer would have done, had it not died, in a copy. */
const close = ({ change }: Files, { end, path, seed }: Tail) =>
  change(acquiring, async (host) => {
    const frames = await host.read(path, 0, end.offset)
    const closing = Segment.encodeEnd("closed", seed, end.position)
    const bytes = new Uint8Array(end.offset + closing.length)
    bytes.set(frames!)
    bytes.set(closing, end.offset)
    await host.publish(path, bytes)
  })

export const make = ({ files, hints, lock, segmentBytes }: Options): Log["Service"] => {
  const reader = OpfsLogReader.make(files)
  /** The last epoch that this opener has acquired, and its writer while that is open. */
  let own: { readonly epoch: number; writer?: OpfsLogWriter.OpfsLogWriter | undefined } = { epoch: 0 }

  const open = Effect.fnUntraced(function*(after: number | undefined) {
    const { links, superseded } = yield* reader.listing
    const epoch = Math.max(0, ...[...links.map(({ path }) => path), ...superseded].map(epochOf))
    if (after !== undefined && epoch !== after) return yield* new Fenced({ epoch: after, current: epoch })
    yield* files.change(acquiring, (host) => host.clear("tmp"))
    const tail = yield* recover(files, reader, links)
    const upper = tail?.end.position ?? links[0]?.base ?? 0
    own = { epoch: epoch + 1 }
    const opened = yield* OpfsLogWriter.make({
      files,
      epoch: epoch + 1,
      segmentBytes,
      before: links.filter(({ base }) => base < upper),
      upper,
      // Who has stolen the lock has the next epoch, or will have.
      current: () => lock.isHeld() ? own.epoch : own.epoch + 1,
      onAppend: hints.tell
    })
    yield* files.change(acquiring, async (host) => {
      if (tail !== undefined) {
        await host.write(tail.path, tail.end.offset, Segment.encodeEnd("continued", tail.seed, tail.end.position))
        await host.close(tail.path)
      }
      const empty = links.filter(({ base }) => base >= upper).map(({ path }) => path)
      await Promise.all([...superseded, ...empty].map(host.remove))
    })
    return opened
  })

  const acquire = Effect.fnUntraced(function*(
    after: number | undefined
  ): Effect.fn.Return<Writer, StorageError | Locked, Scope.Scope> {
    yield* lock.hold
    const opened = yield* open(after)
    const mine = own
    mine.writer = opened
    yield* Effect.addFinalizer(() => Effect.sync(() => void (mine.writer = undefined)))
    hints.tell()
    return opened.writer
  })

  const bounds = Effect.suspend(() => {
    const { writer } = own
    return writer === undefined ? reader.bounds : Effect.succeed({ lower: writer.lower(), upper: writer.upper() })
  })

  return {
    location: files.location,
    acquire: acquire(undefined),
    acquireAfter: acquire,
    bounds,
    read: (from) => Stream.suspend(() => reader.read(from, own.writer?.upper() ?? Infinity)),
    changes: hints.changes(Effect.map(bounds, ({ upper }) => upper)),
    verify: reader.verify
  }
}
