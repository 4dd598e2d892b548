/**
 * Log and blobs in memory, with the guarantees of durable storage for as long as the process lives.
 *
 * A `Store` is the medium. Layers over the same store see the same content, as processes over the same directory would:
 * a writer, followers, and a "restart" that finds exactly what was durable. A writer that acquires the log fences the
 * writer before it at once. Nothing here reads a clock or makes a random choice.
 *
 * @since 0.1.0
 */
import { Context, Effect, Layer, Option, PubSub, type Scope, Stream } from "effect"
import { Fenced, Unavailable } from "../PersistError.ts"
import { Blob, type Range } from "./Blob.ts"
import * as BlobKey from "./BlobKey.ts"
import { type Bounds, type Entry, Log, type Writer } from "./Log.ts"
import * as LogRules from "./LogRules.ts"

/**
 * The content of one storage. Made by `make`; its fields are not for use.
 *
 * @category models
 * @since 0.1.0
 */
export interface Store {
  /** @internal */
  readonly state: State
  /** @internal */
  readonly ticks: PubSub.PubSub<void>
}

interface State {
  epoch: number
  lower: number
  /** The entry at position `lower + i` is `entries[i]`. */
  entries: Array<Entry>
  readonly blobs: Map<string, Uint8Array>
}

/**
 * A new, empty store.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: Effect.Effect<Store> = Effect.map(
  PubSub.sliding<void>(1),
  (ticks): Store => ({ ticks, state: { epoch: 0, lower: 0, entries: [], blobs: new Map() } })
)

/**
 * Log and blobs over a given store.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerOf = (store: Store): Layer.Layer<Log | Blob> =>
  Layer.succeedContext(Context.make(Log, makeLog(store)).pipe(Context.add(Blob, makeBlob(store))))

/**
 * Log and blobs over a store of their own.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Log | Blob> = Layer.unwrap(Effect.map(make, layerOf))

const location = "memory"

const upperOf = (state: State): number => state.lower + state.entries.length

const boundsOf = (state: State): Bounds => ({ lower: state.lower, upper: upperOf(state) })

const acquire = ({ state, ticks }: Store): Effect.Effect<Writer, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      state.epoch++
      PubSub.publishUnsafe(ticks, undefined)
      return makeWriter(state, ticks, state.epoch)
    }),
    ({ close }) => Effect.sync(close)
  ).pipe(Effect.map(({ writer }) => writer))

const makeLog = (store: Store): Log["Service"] => ({
  location,
  acquire: acquire(store),
  acquireAfter: (epoch) =>
    Effect.suspend((): Effect.Effect<Writer, Fenced, Scope.Scope> => {
      const { epoch: current } = store.state
      return current === epoch ? acquire(store) : Effect.fail(new Fenced({ epoch, current }))
    }),
  bounds: Effect.sync(() => boundsOf(store.state)),
  read: (from) =>
    Stream.suspend(() => {
      const { state } = store
      if (from < state.lower) return Stream.fail(LogRules.truncated(from, state.lower))
      return Stream.fromArray(state.entries.slice(from - state.lower))
    }),
  changes: Stream.fromPubSub(store.ticks),
  verify: Stream.empty
})

const makeWriter = (state: State, ticks: PubSub.PubSub<void>, epoch: number) => {
  let isClosed = false

  /** The check and the change are one synchronous step. */
  const guarded = <A>(operation: string, run: () => A): Effect.Effect<A, Fenced | Unavailable> =>
    Effect.suspend((): Effect.Effect<A, Fenced | Unavailable> => {
      if (isClosed) return Effect.fail(new Unavailable({ operation, detail: "the writer is closed" }))
      if (state.epoch !== epoch) return Effect.fail(new Fenced({ epoch, current: state.epoch }))
      return Effect.succeed(run())
    })

  const writer: Writer = {
    epoch,
    bounds: boundsOf(state),
    append: (position, entries) =>
      guarded("appending to the log", () => {
        const upper = upperOf(state)
        LogRules.checkAppend(position, upper)
        entries.forEach((bytes, i) => state.entries.push({ position: position + i, epoch, bytes: bytes.slice() }))
        PubSub.publishUnsafe(ticks, undefined)
        return upperOf(state)
      }),
    truncate: (before) =>
      guarded("truncating the log", () => {
        const lower = Math.max(state.lower, Math.min(before, upperOf(state)))
        state.entries = state.entries.slice(lower - state.lower)
        state.lower = lower
      }),
    rotate: guarded("rotating the log", () => undefined)
  }
  return { writer, close: () => void (isClosed = true) }
}

const makeBlob = ({ state: { blobs } }: Store): Blob["Service"] => ({
  location,
  put: (key, bytes) =>
    Effect.sync(() => {
      BlobKey.check(key)
      if (!blobs.has(key)) blobs.set(key, bytes.slice())
    }),
  get: (key, range) =>
    Effect.sync(() => {
      BlobKey.check(key)
      return Option.map(Option.fromUndefinedOr(blobs.get(key)), (bytes) => part(bytes, range))
    }),
  delete: (key) =>
    Effect.sync(() => {
      BlobKey.check(key)
      blobs.delete(key)
    }),
  list: (prefix) =>
    Stream.suspend(() => {
      BlobKey.checkPrefix(prefix)
      const found = [...blobs].filter(([key]) => key.startsWith(prefix))
      return Stream.fromArray(found.map(([key, bytes]) => ({ key, bytes: bytes.length })))
    })
})

const part = (bytes: Uint8Array, range: Range | undefined): Uint8Array =>
  range === undefined ? bytes : bytes.subarray(range.offset, range.offset + range.length)
