/**
 * The writer of one epoch: it appends to the last segment of the log.
 *
 * One operation at a time: an append, or a rotation.
 *
 * @internal
 */
import { Effect, type Scope } from "effect"
import type { StorageError } from "../PersistError.ts"
import type { Writer } from "../storage/Log.ts"
import * as LogRules from "../storage/LogRules.ts"
import * as Segment from "../storage/Segment.ts"
import * as Authority from "./Authority.ts"
import type * as Directory from "./Directory.ts"
import * as File from "./File.ts"
import * as FrameAppender from "./FrameAppender.ts"
import type { Flush } from "./FrameWrite.ts"
import type * as Lock from "./Lock.ts"
import type * as LogRecovery from "./LogRecovery.ts"
import type { Reserve } from "./Reserve.ts"
import * as Resting from "./Resting.ts"
import * as Rotation from "./Rotation.ts"
import * as SegmentSupply from "./SegmentSupply.ts"
import * as Turn from "./Turn.ts"

export interface LogWriter {
  readonly writer: Writer
  /** Everything below this position is durable. */
  readonly upper: () => number
  /** Fails once this writer has lost the log. */
  readonly confirm: Effect.Effect<void, StorageError>
  /** Closes the log cleanly, unless this writer is fenced or has failed. */
  readonly close: Effect.Effect<void>
}

export interface Options {
  readonly directory: Directory.Directory
  readonly lock: Lock.Lock
  readonly segmentBytes: number
  readonly flush: Flush
  readonly reserve: Reserve
  readonly recovered: LogRecovery.Recovered
  readonly scope: Scope.Scope
  /** Called after every durable append. */
  readonly onAppend: () => void
}

export const make = Effect.fnUntraced(function*(options: Options) {
  const { directory, lock, onAppend, recovered } = options
  const turn = Turn.make()
  const authority = Authority.make(directory, lock)
  const supply = SegmentSupply.make(options)
  const segment = yield* Rotation.first({ directory, lock, supply }, recovered)
  const { upper } = recovered.bounds
  const appender = FrameAppender.make({ segment, upper, turn, authority, flush: options.flush, onAppend })
  const rotation = Rotation.make({ directory, lock, supply, appender })
  const resting = yield* Resting.make(options.scope, appender.upper, rotation.giveBack)
  const writer = makeWriter(options, { turn, authority, appender, rotation, resting })

  const close = Effect.uninterruptible(Effect.suspend(() => {
    // From here on, an append must not come between the end of the segment and the close of its descriptor.
    authority.end()
    return turn.untilEnd.pipe(
      Effect.andThen(resting.end),
      Effect.andThen(Effect.ignore(supply.clear)),
      Effect.andThen(Effect.suspend(() => authority.mayClose() ? rotation.end : Effect.void)),
      Effect.andThen(rotation.close)
    )
  }))

  return { writer, upper: appender.upper, confirm: authority.confirm, close } satisfies LogWriter
})

interface Parts {
  readonly turn: Turn.Turn
  readonly authority: Authority.Authority
  readonly appender: FrameAppender.FrameAppender
  readonly rotation: Rotation.Rotation
  readonly resting: Resting.Resting
}

const makeWriter = (
  { directory, lock, recovered, reserve }: Options,
  { appender, authority, resting, rotation, turn }: Parts
): Writer => {
  const refuse = (operation: string) => File.orRefuse(operation, directory.root)

  const makeRoomAndAppend = (size: number, entries: ReadonlyArray<Uint8Array>) =>
    refuse(Authority.appending)(reserve.admit(rotation.makeRoom(size))).pipe(
      Effect.tap(resting.watch),
      Effect.catch(authority.explain),
      Effect.onError(() => Effect.sync(turn.end)),
      Effect.flatMap(() => appender.append(entries))
    )

  return {
    epoch: lock.epoch,
    bounds: recovered.bounds,
    append: (position, entries) =>
      authority.check(() => {
        const upper = appender.upper()
        if (turn.isTaken()) return Effect.die(new Error("an append while another one is under way"))
        LogRules.checkAppend(position, upper)
        if (entries.length === 0) return Effect.succeed(upper)
        turn.take()
        const size = Segment.dataSize(entries)
        return rotation.isReady(size) && !reserve.isShort()
          ? appender.append(entries)
          : makeRoomAndAppend(size, entries)
      }),
    truncate: (before) => authority.check(() => refuse("truncating the log")(rotation.truncate(before))),
    rotate: authority.check(() => {
      if (turn.isTaken()) return Effect.die(new Error("a rotation while an append is under way"))
      turn.take()
      return Effect.ensuring(refuse("rotating the log")(rotation.rotateForGood), Effect.sync(turn.end))
    })
  }
}
