/**
 * The blobs of named holds, by their names.
 *
 * A hold is one blob `hold/<name>.<lease>.<id>.state` and some `hold/<name>.<lease>.<id>.beat.<id>`. The state is a
 * rollup of the store as the holder reads it. The blobs that it names are kept. It is put first, and deleted first. A
 * `beat` blob is a heartbeat: each renewal puts one under a new name, and deletes the one before. The first heartbeat
 * completes taking the hold.
 *
 * @internal
 */
import { Duration, Effect, Metric, Random, Stream } from "effect"
import * as Rollup from "../engine/Rollup.ts"
import * as State from "../engine/State.ts"
import { type StorageError, ValueOutOfRange } from "../PersistError.ts"
import { decode } from "../Pure.ts"
import type { Blob } from "../storage/Blob.ts"
import * as Metrics from "./Metrics.ts"

/** The name of a hold, and how long it stays after its last heartbeat. */
export interface Id {
  /** The prefix of the keys of all its blobs. */
  readonly base: string
  readonly name: string
  readonly leaseMillis: number
}

/** The blobs of a hold. */
export interface Found extends Id {
  readonly hasState: boolean
  /** Keys, in order. */
  readonly beats: ReadonlyArray<string>
}

export const stateOf = ({ base }: Id): string => `${base}.state`

const newId = Effect.map(
  Random.nextIntBetween(0, Number.MAX_SAFE_INTEGER),
  (drawn) => drawn.toString(16).padStart(14, "0")
)

export const make = (name: string, leaseMillis: number): Effect.Effect<Id> =>
  Effect.map(newId, (id) => ({ base: `hold/${name}.${leaseMillis}.${id}`, name, leaseMillis }))

export const newBeat = ({ base }: Id): Effect.Effect<string> => Effect.map(newId, (id) => `${base}.beat.${id}`)

const namePattern = /^[a-z0-9][a-z0-9._-]{0,99}$/

const [shortest, longest] = [Duration.toMillis("1 second"), Duration.toMillis("365 days")]

export const check = (name: string, leaseMillis: number): Effect.Effect<void, ValueOutOfRange> => {
  if (!namePattern.test(name)) {
    const detail = "it has 1 to 100 of a-z, 0-9, dot, underscore and dash, and begins with a letter or a digit"
    return Effect.fail(new ValueOutOfRange({ what: "the name of a hold", detail }))
  }
  if (!Number.isInteger(leaseMillis) || leaseMillis < shortest || leaseMillis > longest) {
    const detail = "it lasts from one second to 365 days, in whole milliseconds"
    return Effect.fail(new ValueOutOfRange({ what: "the lease of a hold", detail }))
  }
  return Effect.void
}

const keyPattern = /^(?<base>hold\/(?<name>.+)\.(?<lease>\d+)\.[0-9a-f]{14})\.(?<kind>state|beat)/

export const isBeat = (key: string): boolean => keyPattern.exec(key)?.groups?.["kind"] === "beat"

/** All holds, or those of one name. */
export const list = (blob: Blob["Service"], name?: string): Effect.Effect<ReadonlyArray<Found>, StorageError> =>
  Effect.map(Stream.runCollect(blob.list(name === undefined ? "hold/" : `hold/${name}.`)), (infos) => {
    const found = new Map<string, Found & { hasState: boolean; readonly beats: Array<string> }>()
    for (const key of infos.map(({ key }) => key).toSorted()) {
      const groups = keyPattern.exec(key)?.groups
      if (groups === undefined || (name !== undefined && groups["name"] !== name)) continue
      const base = groups["base"]!
      const hold = found.get(base) ??
        { base, name: groups["name"]!, leaseMillis: Number(groups["lease"]), hasState: false, beats: [] }
      found.set(base, hold)
      if (groups["kind"] === "beat") hold.beats.push(key)
      else hold.hasState = true
    }
    return [...found.values()]
  })

/** The state of a hold, unless the hold was released since it was listed. */
export const read = Effect.fnUntraced(function*(hold: Id, blob: Blob["Service"]) {
  const key = stateOf(hold)
  const bytes = yield* blob.get(key)
  return bytes._tag === "None" ? undefined : yield* decode(() => Rollup.decode(bytes.value, key))
})

/** Whether a hold, or any of some, keeps a blob. */
export type Keeps = (key: string) => boolean

/**
 * Which blobs a hold keeps: all, where its state is damaged or of a later version. Undefined where the hold was
 * released.
 */
export const keptBy = (hold: Id, blob: Blob["Service"]): Effect.Effect<Keeps | undefined, StorageError> =>
  Effect.map(read(hold, blob), (state) => {
    if (state === undefined) return undefined
    const keys = State.blobKeys(state)
    return (key: string) => keys.has(key)
  }).pipe(
    Effect.catchTag(["Corrupt", "UnsupportedFormat"], (error) =>
      Effect.logWarning(
        `The hold "${hold.name}" cannot be read. No blob is deleted until it is released or has expired.`,
        error
      ).pipe(
        Effect.andThen(Metric.update(Metrics.unreadableHolds, 1)),
        Effect.as(() => true)
      ))
  )

/** The blobs that all holds together keep. */
export const keeping = Effect.fnUntraced(function*(blob: Blob["Service"]) {
  const all: Array<Keeps> = []
  for (const hold of yield* list(blob)) {
    const keeps = hold.hasState ? yield* keptBy(hold, blob) : undefined
    if (keeps !== undefined) all.push(keeps)
  }
  return (key: string) => all.some((keeps) => keeps(key))
})

/** Releases a hold. The state is deleted first, since without it no blob is kept. */
export const remove = (hold: Found, blob: Blob["Service"]): Effect.Effect<void, StorageError> =>
  Effect.forEach([stateOf(hold), ...hold.beats], (key) => blob.delete(key), { discard: true })
