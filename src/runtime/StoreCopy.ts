/**
 * Copying a store to another place: every entry of its log at its position, and every blob that its state names.
 *
 * The source is read like a follower reads it, beside a live writer if there is one: the copy is the store as of one
 * entry of its log. The target is not a store until its last append, which is one atomic step.
 *
 * @since 0.1.0
 */
import { Context, Effect, Layer, Option, Stream } from "effect"
import * as State from "../engine/State.ts"
import { Corrupt, type Locked, NotEmpty, type StorageError, Unavailable } from "../PersistError.ts"
import * as Platform from "../Platform.ts"
import { Blob } from "../storage/Blob.ts"
import { type Bounds, Log, type Writer } from "../storage/Log.ts"
import * as Recovery from "./Recovery.ts"
import * as StoreSource from "./StoreSource.ts"

/**
 * What was copied.
 *
 * @category models
 * @since 0.1.0
 */
export interface Copied {
  readonly collections: number
  /** Entries of the log. */
  readonly entries: number
  readonly blobs: number
  /** Bytes of the entries and the blobs. */
  readonly bytes: number
}

/**
 * From where to where.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<E1, E2> {
  readonly from: Layer.Layer<Log | Blob, E1>
  /** Must not contain a store yet. Blobs that an interrupted copy has left there are reused. */
  readonly to: Layer.Layer<Log | Blob, E2>
}

/** Blobs that are under way at the same time. */
const inFlight = 4

/** Empty entries that temporarily stand for the entries that the source has truncated. */
const paddingAtOnce = 10_000

/**
 * Copies a store, reads the copy, and compares: every entry, every blob, and the state that they make. Fails with
 * `NotEmpty` where the target has a store already, and with `Corrupt` where the copy is not the same.
 *
 * @example
 * ```ts run
 * import { Effect } from "effect"
 * import { Codec, MemoryStorage, PersistClient, StoreCopy, Update } from "tidemark"
 *
 * const program = Effect.gen(function*() {
 *   const [old, next] = [yield* MemoryStorage.make, yield* MemoryStorage.make]
 *   const write = Effect.gen(function*() {
 *     const persist = yield* PersistClient.make()
 *     const orders = yield* persist.createOrLoad("orders", { key: Codec.string, value: Codec.unit })
 *     yield* orders.append([Update.insert("o-1", undefined, 1)])
 *   })
 *   yield* Effect.scoped(Effect.provide(write, MemoryStorage.layerOf(old)))
 *   const copied = yield* StoreCopy.copy({ from: MemoryStorage.layerOf(old), to: MemoryStorage.layerOf(next) })
 *   if (copied.collections !== 1) throw new Error("it is not there")
 * })
 * await Effect.runPromise(program)
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const copy: <E1, E2>(
  options: Options<E1, E2>
) => Effect.Effect<Copied, E1 | E2 | StorageError | Locked | NotEmpty> = Effect.fn("StoreCopy.copy")(
  function*<E1, E2>(options: Options<E1, E2>) {
    const from = yield* Layer.build(options.from)
    const to = yield* Layer.build(options.to)
    const [sourceLog, source] = [Context.get(from, Log), Context.get(from, Blob)]
    const [targetLog, target] = [Context.get(to, Log), Context.get(to, Blob)]
    const writer = yield* targetLog.acquire
    const padded = yield* paddingOf(targetLog, writer.bounds)
    const { checksums, found } = yield* copyBlobs(sourceLog, source, target)
    if (padded > found.bounds.lower) return yield* new NotEmpty({ location: targetLog.location })
    yield* copyEntries(writer, padded, found)
    const bytes = yield* compare(found, checksums, targetLog, target)
    return {
      collections: found.state.collections.size,
      entries: found.entries.length,
      blobs: checksums.size,
      bytes
    } satisfies Copied
  },
  Effect.scoped
)

/** The number of padding entries that an interrupted copy has left, in a log that has no other entries. */
const paddingOf = Effect.fnUntraced(function*(log: Log["Service"], { lower, upper }: Bounds) {
  if (upper === 0) return 0
  const isPadding = lower === 0 &&
    Option.isNone(yield* Stream.runHead(Stream.filter(log.read(lower), ({ bytes }) => bytes.length > 0)))
  return isPadding ? upper : yield* new NotEmpty({ location: log.location })
})

/**
 * Reads the log and the blobs that it names. A live writer may delete blobs that are being read. Then there is a newer
 * state, which is read instead.
 */
const copyBlobs = (log: Log["Service"], source: Blob["Service"], target: Blob["Service"]) =>
  Effect.gen(function*() {
    const found = yield* StoreSource.look(log, source)
    const checksums = new Map<string, number>()
    const copyOne = Effect.fnUntraced(function*(key: string) {
      const bytes = yield* source.get(key)
      if (Option.isNone(bytes)) return yield* new Unavailable({ operation: `reading "${key}"`, detail: "it is gone" })
      yield* target.put(key, bytes.value)
      checksums.set(key, Platform.crc32(bytes.value))
    })
    yield* Effect.forEach(State.blobKeys(found.state), copyOne, { concurrency: inFlight, discard: true })
    return { found, checksums }
  }).pipe(StoreSource.again)

/** The entries get the positions that they had: rollups refer to them. */
const copyEntries = Effect.fnUntraced(function*(
  writer: Writer,
  padded: number,
  { bounds: { lower }, entries }: StoreSource.Source
) {
  for (let position = padded; position < lower;) {
    const count = Math.min(paddingAtOnce, lower - position)
    position = yield* writer.append(position, Array.from({ length: count }, () => new Uint8Array(0)))
  }
  if (entries.length > 0) yield* writer.append(lower, entries.map(({ bytes }) => bytes))
  yield* writer.truncate(lower)
})

/**
 * Reads the copy, and fails where it differs from what was read of the source. Returns the number of bytes otherwise.
 */
const compare = Effect.fnUntraced(
  function*(
    { bounds: { lower, upper }, entries, state }: StoreSource.Source,
    checksums: ReadonlyMap<string, number>,
    log: Log["Service"],
    blob: Blob["Service"]
  ) {
    const differs = (what: string) =>
      new Corrupt({ location: log.location, offset: 0, detail: `${what} is not what was copied` })
    let bytes = 0
    let position = lower
    yield* Stream.runForEach(log.read(lower), (entry) => {
      const original = entries[position++ - lower]
      bytes += entry.bytes.length
      const isSame = original !== undefined && Platform.crc32(original.bytes) === Platform.crc32(entry.bytes)
      return isSame ? Effect.void : Effect.fail(differs(`log position ${entry.position}`))
    })
    if (position !== upper) return yield* differs("the end of the log")
    const compareOne = Effect.fnUntraced(function*([key, checksum]: readonly [string, number]) {
      const found = yield* blob.get(key)
      if (Option.isNone(found) || Platform.crc32(found.value) !== checksum) return yield* differs(`blob "${key}"`)
      bytes += found.value.length
    })
    yield* Effect.forEach(checksums, compareOne, { concurrency: inFlight, discard: true })
    const copied = yield* Recovery.load(log, blob)
    if (copied.state.seqNo !== state.seqNo) return yield* differs("the state")
    return bytes
  }
)
