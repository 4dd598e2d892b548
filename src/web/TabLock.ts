/**
 * The lock of a store among the tabs and workers of a browser: a Web Lock, which ends with its page or worker.
 *
 * It says early that a store is open for writing. The epochs of the log decide who may write.
 *
 * @internal
 */
import { Effect, Option, type Scope, Semaphore } from "effect"
import { Locked, UnsafeStore } from "../PersistError.ts"

export interface TabLock {
  /** Holds the lock until the scope closes. One opener may hold it several times. */
  readonly hold: Effect.Effect<void, Locked | UnsafeStore, Scope.Scope>
  /** Whether this opener still has it: another page may have stolen it. */
  readonly isHeld: () => boolean
}

export interface Options {
  readonly location: string
  /** How long to wait for another opener to release it. */
  readonly waitMillis: number
}

/** The lock, asked for. */
interface Request {
  readonly granted: Promise<boolean>
  readonly isHeld: () => boolean
  /** Releases the lock, or does not wait for it any more. */
  readonly end: () => void
}

const request = (locks: LockManager, name: string, isPatient: boolean): Request => {
  const abort = new AbortController()
  let isHeld = false
  const { promise: ended, resolve: release } = Promise.withResolvers<void>()
  const granted = new Promise<boolean>((resolve) => {
    const options = isPatient ? { signal: abort.signal } : { ifAvailable: true }
    const whole = locks.request(name, options, (lock) => {
      isHeld = lock !== null
      resolve(isHeld)
      return isHeld ? ended : undefined
    })
    const lost = (): void => {
      isHeld = false
      resolve(false)
    }
    whole.then(lost, lost)
  })
  const end = (): void => {
    isHeld = false
    release()
    abort.abort()
  }
  return { granted, isHeld: () => isHeld, end }
}

export const make = ({ location, waitMillis }: Options): TabLock => {
  const one = Semaphore.makeUnsafe(1)
  let shares = 0
  let current: Request | undefined

  const take = Effect.gen(function*() {
    if (current?.isHeld() === true) return
    // A page that is not secure has no locks, whatever the types say.
    const { locks } = navigator as Partial<Navigator>
    if (locks === undefined) {
      return yield* new UnsafeStore({ location, detail: "the page has no Web Locks, as it is not served by HTTPS" })
    }
    const asked = request(locks, `tidemark ${location}`, waitMillis > 0)
    const granted = Effect.promise(() => asked.granted)
    const isGranted = yield* (waitMillis > 0 ? Effect.timeoutOption(granted, waitMillis) : Effect.asSome(granted)).pipe(
      Effect.onInterrupt(() => Effect.sync(asked.end))
    )
    if (!Option.getOrElse(isGranted, () => false)) {
      asked.end()
      return yield* new Locked({ location })
    }
    current = asked
  })

  const give = Effect.sync(() => {
    shares--
    if (shares > 0) return
    current?.end()
    current = undefined
  })

  return {
    hold: Effect.acquireRelease(
      Effect.tap(one.withPermit(take), () => Effect.sync(() => shares++)),
      () => give,
      { interruptible: true }
    ),
    isHeld: () => current?.isHeld() === true
  }
}
