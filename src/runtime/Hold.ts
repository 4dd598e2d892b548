/**
 * Taking and renewing a named hold: the reader's side.
 *
 * A hold is the state of the store as of one log position, in a blob. It guarantees that the blobs which this state
 * names are not deleted. The guarantee begins when the hold's blob is stored and the log, read after that, still names
 * all these blobs: before it deletes a blob that a later commit has unnamed, the writer lists the holds. The reader
 * then renews the hold with heartbeats, and checks that it still exists. The writer's side is in `HoldWatch`.
 *
 * @internal
 */
import { Deferred, Duration, Effect, type Scope } from "effect"
import * as Rollup from "../engine/Rollup.ts"
import * as State from "../engine/State.ts"
import { Corrupt, HoldExpired, type StorageError, Unavailable, type ValueOutOfRange } from "../PersistError.ts"
import { decode } from "../Pure.ts"
import type { Blob } from "../storage/Blob.ts"
import type { Failure } from "./Command.ts"
import * as HoldFiles from "./HoldFiles.ts"
import * as HoldWatch from "./HoldWatch.ts"

export interface Options {
  readonly name: string
  /** How long it stays after its last heartbeat. */
  readonly lease: Duration.Input
}

export interface Hold {
  readonly state: State.State
  /** Whether it existed already. */
  readonly isResumed: boolean
  /** Fails when it is lost. */
  readonly lost: Effect.Effect<never, HoldExpired>
  /** Fails with the error for a missing blob. The store is damaged where the hold still exists. */
  readonly missing: (key: string) => Effect.Effect<never, HoldExpired | StorageError>
  readonly release: Effect.Effect<void, StorageError>
}

/** How often taking a hold is retried when a concurrent compaction interferes. */
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
      // Without a heartbeat, taking it was not completed.
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
 * Stores the current state. Undefined where a blob that it names was unnamed meanwhile, and may be deleted, or where
 * rows that it has in memory may have been erased.
 */
const store = Effect.fnUntraced(
  function*(hold: HoldFiles.Id, blob: Blob["Service"], current: Effect.Effect<State.State, Failure>) {
    const key = HoldFiles.stateOf(hold)
    const before = yield* current
    // The state is the store's own, and changes afterwards.
    const { position } = before
    const bytes = Rollup.encode(before, position)
    const stored = Effect.gen(function*() {
      yield* blob.put(key, bytes)
      const state = yield* decode(() => Rollup.decode(bytes, key))
      const after = yield* current
      const named = State.blobKeys(after)
      return after.logFrom <= position && [...State.blobKeys(state)].every((key) => named.has(key)) ? state : undefined
    })
    const state = yield* Effect.onError(stored, () => Effect.ignore(blob.delete(key)))
    if (state === undefined) yield* blob.delete(key)
    return state
  }
)

/** Sends heartbeats until the scope closes. */
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

    /** Sends one heartbeat. Fails where the hold no longer exists. */
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
        // A failure of the storage uses up a part of the lease.
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
      missing: (key) =>
        Effect.flatMap(isThere, (alive) =>
          Effect.fail(
            alive ? new Corrupt({ location: key, offset: 0, detail: "it is missing, though it is held" }) : expired
          )),
      release: Effect.flatMap(
        HoldFiles.list(blob, hold.name),
        (all) => Effect.forEach(all, (found) => HoldFiles.remove(found, blob), { discard: true })
      )
    }
    return kept
  }
)
