/**
 * The log in a directory: acquiring it, reading it, noticing that it grew.
 *
 * @internal
 */
import { Effect, PubSub, Queue, Schedule, type Scope, Stream } from "effect"
import fs from "node:fs"
import type { Log } from "../storage/Log.ts"
import * as Directory from "./Directory.ts"
import * as File from "./File.ts"
import type { Flush } from "./FrameWrite.ts"
import * as Lock from "./Lock.ts"
import * as LockHolder from "./LockHolder.ts"
import * as LogReader from "./LogReader.ts"
import * as LogRecovery from "./LogRecovery.ts"
import * as LogVerifier from "./LogVerifier.ts"
import * as LogWriter from "./LogWriter.ts"
import * as OwnLock from "./OwnLock.ts"
import type { Reserve } from "./Reserve.ts"
import * as SegmentList from "./SegmentList.ts"

export interface Options {
  readonly directory: Directory.Directory
  readonly reserve: Reserve
  readonly segmentBytes: number
  readonly flush: Flush
  readonly leaseMillis: number
  readonly waitMillis: number
}

export const make: (options: Options) => Effect.Effect<Log["Service"], never, Scope.Scope> = Effect.fnUntraced(
  function*({ directory, flush, leaseMillis, reserve, segmentBytes, waitMillis }) {
    const machine = yield* LockHolder.Machine
    const lock = yield* OwnLock.make({ directory, machine, leaseMillis, waitMillis })
    const ticks = yield* Effect.acquireRelease(PubSub.sliding<void>(1), PubSub.shutdown)
    const tick = (): void => void PubSub.publishUnsafe(ticks, undefined)

    /**
     * The writers that this opener has not closed yet: it may acquire again meanwhile, and then the last one counts.
     */
    const writers: Array<LogWriter.LogWriter> = []
    const releaseLock = Effect.suspend(() => writers.length > 0 ? Effect.void : lock.release)

    const open = Effect.fnUntraced(function*(scope: Scope.Scope, after: number | undefined) {
      yield* Directory.ensure(directory)
      const taken = yield* lock.take(after)
      yield* Directory.removeLeftovers(directory)
      const recovered = yield* LogRecovery.recover(directory, taken).pipe(
        // While this process was stopped, others may have continued the log: then what it has read was not damage.
        Effect.catchTag("Corrupt", (problem) => Effect.andThen(Lock.confirm(taken), Effect.fail(problem)))
      )
      const opened = yield* LogWriter.make({
        directory,
        lock: taken,
        segmentBytes,
        flush,
        reserve,
        recovered,
        scope,
        onAppend: tick
      })
      lock.give(taken.epoch)
      writers.push(opened)
      tick()
      return opened
    })

    const close = (writer: LogWriter.LogWriter) =>
      writer.close.pipe(
        Effect.andThen(Effect.sync(() => void writers.splice(writers.indexOf(writer), 1))),
        Effect.andThen(releaseLock)
      )

    const acquire = (after: number | undefined) =>
      Effect.flatMap(Effect.scope, (scope) =>
        Effect.acquireRelease(
          reserve.spend(open(scope, after)).pipe(
            File.orRefuse("acquiring the log", directory.root),
            Effect.onError(() => releaseLock)
          ),
          close
        )).pipe(Effect.map(({ writer }) => writer))

    const reader = LogReader.make(directory, machine, () => writers.at(-1))

    return {
      location: directory.root,
      acquire: acquire(undefined),
      acquireAfter: acquire,
      bounds: reader.bounds,
      read: reader.read,
      changes: Stream.merge(Stream.fromPubSub(ticks), changesOf(directory.log)),
      verify: LogVerifier.verify(directory)
    }
  }
)

/** Ticks when another process may have written. Where the platform sends no events, the directory is polled. */
const changesOf = (log: string): Stream.Stream<void> =>
  Stream.callback((queue) => {
    const tick = (): void => void Queue.offerUnsafe(queue, undefined)
    return Effect.gen(function*() {
      yield* Effect.acquireRelease(
        Effect.sync(() => watch(log, tick)),
        (watcher) => Effect.sync(() => watcher?.close())
      )
      let seen = yield* signatureOf(log)
      const look = Effect.map(signatureOf(log), (found) => {
        if (found !== seen) tick()
        seen = found
      })
      yield* Effect.schedule(look, Schedule.spaced("25 millis"))
    })
  }, { bufferSize: 1, strategy: "sliding" })

const watch = (log: string, tick: () => void): fs.FSWatcher | undefined => {
  try {
    const watcher = fs.watch(log, { persistent: false }, tick)
    watcher.on("error", () => watcher.close())
    return watcher
  } catch {
    return undefined
  }
}

/** Changes when the last segment does, or when there is another one. */
const signatureOf = (log: string): Effect.Effect<string> =>
  SegmentList.list(log).pipe(
    Effect.flatMap(({ links }) => {
      const path = links.at(-1)?.path
      if (path === undefined) return Effect.succeed("")
      return Effect.map(File.stat(path), ({ mtimeNs, size }) => `${path} ${mtimeNs} ${size}`)
    }),
    Effect.orElseSucceed(() => "")
  )
