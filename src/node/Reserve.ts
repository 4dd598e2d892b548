/**
 * The reserve: space that is kept for a full disk, so that a store can still be opened and made smaller.
 *
 * It is a file of zeros that means nothing. Where there is no space for what opens the store or makes it smaller, the
 * file is removed, and the work is done in its place. From then on nothing else is written before the reserve is there
 * again: otherwise rows would take the space that was freed for a destruction.
 *
 * @internal
 */
import { Effect, Semaphore } from "effect"
import { MayUseReserve } from "../storage/Log.ts"
import type * as Directory from "./Directory.ts"
import * as File from "./File.ts"

export interface Reserve {
  /** Whether it was spent, or there was no space for it. Then rows have to be admitted. */
  readonly isShort: () => boolean
  /** Runs work that opens the store or makes it smaller. If there is no space for it, it gets the reserve. */
  readonly spend: <A, E, R>(work: Effect.Effect<A, E | File.FileError, R>) => Effect.Effect<A, E | File.FileError, R>
  /** As `spend` where the work may use the reserve. For other work, a reserve that is short is restored first. */
  readonly admit: <A, E, R>(work: Effect.Effect<A, E | File.FileError, R>) => Effect.Effect<A, E | File.FileError, R>
  /** Makes the reserve this large. */
  readonly keep: (bytes: number) => Effect.Effect<void, File.FileError>
  /** Makes the reserve no larger than this, if there is one. */
  readonly shrink: (bytes: number) => Effect.Effect<void, File.FileError>
}

export const make = ({ reserve: path, root }: Directory.Directory): Reserve => {
  const one = Semaphore.makeUnsafe(1)
  /** How large the reserve is to be, from when something is to be reserved. */
  let wanted = 0
  let isShort = false

  const size = Effect.catchIf(
    Effect.map(File.stat(path), (stats) => Number(stats.size)),
    File.isMissing,
    () => Effect.succeed(0)
  )

  const resize = (bytes: number) => File.using(path, File.flags.extend, (fd) => File.truncate(fd, bytes))

  /** Where there is not enough space, none of it is taken. */
  const grow = Effect.fnUntraced(function*(from: number) {
    const free = yield* File.free(root)
    if (free < wanted - from) {
      const detail = `${free} bytes are free, and ${wanted - from} are needed for the reserve`
      return yield* new File.FileError({ code: "ENOSPC", detail })
    }
    yield* File.using(path, File.flags.extend, (fd) => File.fill(fd, from, wanted)).pipe(
      Effect.onError(() => Effect.ignore(from === 0 ? File.remove(path) : resize(from)))
    )
  })

  /** Only a lack of space makes the reserve short: no row is refused because a reserve cannot be made for other reasons. */
  const restore = Effect.gen(function*() {
    const found = yield* size
    if (found > wanted) return yield* resize(wanted)
    yield* Effect.tapError(
      grow(found),
      (error) => Effect.sync(() => void (isShort = found === 0 && File.isFull(error)))
    )
    isShort = false
  })

  const restoreIfPossible = Effect.catchIf(one.withPermit(restore), isNotFull, () => Effect.void)

  const release = Effect.gen(function*() {
    const found = yield* size
    if (found === 0) return false
    isShort = true
    wanted = Math.max(wanted, found)
    yield* File.remove(path)
    return true
  })

  const spend: Reserve["spend"] = (work) =>
    Effect.catchIf(
      work,
      isFull,
      (error) => Effect.flatMap(one.withPermit(release), (isReleased) => isReleased ? work : Effect.fail(error))
    )

  return {
    isShort: () => isShort,
    spend,
    admit: (work) =>
      Effect.flatMap(MayUseReserve, (mayUse) => {
        if (mayUse) return spend(work)
        return isShort ? Effect.andThen(restoreIfPossible, work) : work
      }),
    keep: (bytes) =>
      one.withPermit(Effect.suspend(() => {
        wanted = bytes
        return restore
      })),
    shrink: (bytes) =>
      one.withPermit(Effect.flatMap(size, (found) => {
        wanted = Math.min(wanted, bytes)
        return found > bytes ? resize(bytes) : Effect.void
      }))
  }
}

const isNotFull = (error: File.FileError): boolean => !File.isFull(error)

const isFull = <E>(error: E | File.FileError): error is File.FileError =>
  error instanceof File.FileError && File.isFull(error)
