/**
 * Taking a named hold, and keeping it: the side of whoever reads.
 *
 * A hold is the state of the store as of one log position, in a blob, with the promise that what it names stays. That is
 * so once the blob is stored and the log, read after that, still names all of it: whatever unnames it later is followed by
 * a look at the holds before anything is deleted. The holder then renews it with signs of life, and looks whether it is
 * still there.
 *
 * @internal
 */
import { Deferred, Duration, Effect, type Scope } from "effect"
import * as Rollup from "../engine/Rollup.ts"
import * as State from "../engine/State.ts"
import { HoldExpired, type StorageError, Unavailable, type ValueOutOfRange } from "../PersistError.ts"
import type { Blob } from "../storage/Blob.ts"
import type { Failure } from "./Command.ts"
import * as HoldFiles from "./HoldFiles.ts"
import * as HoldWatch from "./HoldWatch.ts"
import { decode } from "./Pure.ts"

export interface Options {
  readonly name: string
  /** How long it outlives its last sign of life. */
  readonly lease: Duration.Input
}

export interface Hold {
  readonly state: State.State
  /** Whether it was there already. */
  readonly isResumed: boolean
  /** Fails when it is lost. */
  readonly lost: Effect.Effect<never, HoldExpired>
  /** What it means that a blob is missing. Undefined: damage, as the hold is there. */
  readonly whyMissing: Effect.Effect<HoldExpired | undefined, StorageError>
  readonly release: Effect.Effect<void, StorageError>
}

/** How often the store may be compacted in the middle of taking a hold. */
const maxTries = 10

/**
 * Resumes the hold of this name, or takes a new one of the state that `current` gives: the durable one, after everything
 * that was durable before the call. It is renewed until the scope closes, and stays for its lease.
 */
export const take = (
  { lease, name }: Options,
  blob: Blob["Service"],
  current: Effect.Effect<State.State, Failure>
): Effect.Effect<Hold, Failure | ValueOutOfRange | HoldExpired, Scope.Scope> =>
  Effect.gen(function*() {
    const leaseMillis = Duration.toMillis(Duration.fromInputUnsafe(lease))
    yield* HoldFiles.check(name, leaseMillis)
    for (const found of yield* HoldFiles.list(blob, name)) {
      // Without a sign of life it was not taken to the end.
      const state = found.beats.length > 0 ? yield* HoldFiles.read(found, blob) : undefined
      if (state !== undefined) return yield* keep(found, found.beats, state, blob)
    }
    for (let tries = 0; tries < maxTries; tries++) {
      const hold = yield* HoldFiles.make(name, leaseMillis)
      const state = yield* store(hold, blob, current)
      if (state !== undefined) return yield* keep(hold, [], state, blob)
    }
    return yield* new Unavailable({
      operation: `taking the hold "${name}"`,
      detail: "the store was compacted faster than it could be held"
    })
  })

/**
 * Stores the current state. Undefined where some of what it names was unnamed meanwhile, and may be gone, or where rows that
 * it has in memory may have been erased.
 */
const store = Effect.fnUntraced(
  function*(hold: HoldFiles.Id, blob: Blob["Service"], current: Effect.Effect<State.State, Failure>) {
    const key = HoldFiles.stateOf(hold)
    const before = yield* current
    // The state is the store's own, and goes on.
    const { position } = before
    const bytes = Rollup.encode(before, position)
    yield* blob.put(key, bytes)
    const state = yield* decode(() => Rollup.decode(bytes, key))
    const after = yield* current
    const named = State.blobKeys(after)
    if (after.logFrom <= position && [...State.blobKeys(state)].every((key) => named.has(key))) return state
    yield* blob.delete(key)
    return undefined
  }
)

/** Gives signs of life until the scope closes. */
const keep = Effect.fnUntraced(
  function*(hold: HoldFiles.Id, beats: ReadonlyArray<string>, state: State.State, blob: Blob["Service"]) {
    const lease = Duration.millis(hold.leaseMillis)
    const lost = yield* Deferred.make<never, HoldExpired>()
    const expired = new HoldExpired({
      hold: hold.name,
      detail: `it was given up, or gave no sign of life for ${Duration.format(lease)}`
    })
    const isThere = Effect.map(
      blob.get(HoldFiles.stateOf(hold), { offset: 0, length: 1 }),
      ({ _tag }) => _tag === "Some"
    )
    let old = beats

    /** A sign of life. Fails where there is nothing to keep alive any more. */
    const renew = Effect.gen(function*() {
      const beat = yield* HoldFiles.newBeat(hold)
      yield* blob.put(beat, new Uint8Array(0))
      const isAlive = yield* isThere
      yield* Effect.forEach(isAlive ? old : [...old, beat], (key) => blob.delete(key), { discard: true })
      old = [beat]
      if (!isAlive) return yield* expired
    })

    yield* renew
    yield* Effect.forkScoped(
      Effect.delay(
        // Storage that fails for a while costs a part of the lease.
        Effect.catchIf(renew, (error) => error._tag !== "HoldExpired", () => Effect.void),
        Duration.times(lease, HoldWatch.share)
      ).pipe(
        Effect.forever,
        Effect.catchTag("HoldExpired", (error) => Deferred.fail(lost, error))
      )
    )
    const kept: Hold = {
      state,
      isResumed: beats.length > 0,
      lost: Deferred.await(lost),
      whyMissing: Effect.map(isThere, (alive) => alive ? undefined : expired),
      release: Effect.flatMap(
        HoldFiles.list(blob, hold.name),
        (all) => Effect.forEach(all, (found) => HoldFiles.remove(found, blob), { discard: true })
      )
    }
    return kept
  }
)
