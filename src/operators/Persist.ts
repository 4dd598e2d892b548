/**
 * Writing a flow to a collection.
 *
 * @since 0.1.0
 */
import { Deferred, Effect, Result, Stream } from "effect"
import type { Ack, CollectionWriter } from "../client/CollectionWriter.ts"
import * as Frontier from "../Frontier.ts"
import { InvalidRequest, ValueOutOfRange } from "../PersistError.ts"
import type { Failure } from "../runtime/Command.ts"
import type { Update } from "../Update.ts"
import { error, type Event, type Flow } from "./Flow.ts"

/** How many events may be queued, and how many may be under way. The runtime bounds their bytes. */
const inFlight = 16

/**
 * Appends the updates of a flow, and passes them on once they are durable. So every update and every frontier that it
 * passes on is on disk. Several batches are under way at a time, in order. It does not seal.
 *
 * A batch that can never be appended (a time below the collection's seal, a value that does not encode) is rejected as
 * a whole. Instead of it, an error at its earliest time is passed on, and the flow continues. When storage fails, the
 * flow fails.
 *
 * @see {@link seal} to seal the collection
 *
 * @category operators
 * @since 0.1.0
 */
export const persist =
  <K, V, E2>(write: CollectionWriter<K, V, E2>) =>
  <E, R>(flow: Flow<K, V, E, R>): Flow<K, V, E | E2 | Failure | InvalidRequest, R> =>
    flow.pipe(
      Stream.mapEffect((event) => offered(write, event)),
      Stream.buffer({ capacity: inFlight }),
      // Events that have queued up share their flushes, and are passed on together.
      Stream.mapArrayEffect((chunk) => Effect.forEach(chunk, (offered) => settled(write.name, offered)))
    )

interface Offered<K, V> {
  readonly event: Event<K, V>
  readonly ack?: Ack
}

/** Offers the updates to the writer, or returns the error that they are rejected with. */
const offered = <K, V, E>(write: CollectionWriter<K, V, E>, event: Event<K, V>) => {
  if (event._tag !== "Updates") return Effect.succeed<Offered<K, V>>({ event })
  return write.offer(event.updates).pipe(
    Effect.map((ack): Offered<K, V> => ({ event, ack })),
    Effect.catchIf(
      isRefusal,
      (error) => Effect.succeed<Offered<K, V>>({ event: refused(write.name, event.updates, refusal(error)) })
    )
  )
}

/** Waits until the event may be passed on. */
const settled = <K, V>(collection: string, { ack, event }: Offered<K, V>) => {
  if (ack === undefined || event._tag !== "Updates") return Effect.succeed(event)
  return Effect.flatMap(Effect.result(Deferred.await(ack)), (result) => {
    if (Result.isSuccess(result)) return Effect.succeed(event)
    const { failure } = result
    return isRefusal(failure)
      ? Effect.succeed(refused(collection, event.updates, refusal(failure)))
      : Effect.fail(failure)
  })
}

/** @internal Whether updates can never be appended: they do not encode, or their time is sealed. */
export const isRefusal = (error: unknown): error is ValueOutOfRange | InvalidRequest =>
  error instanceof ValueOutOfRange || error instanceof InvalidRequest && error.reason === "TimeSealed"

/** @internal The reason as text. */
export const refusal = (error: ValueOutOfRange | InvalidRequest): string =>
  error instanceof ValueOutOfRange ? `${error.what}: ${error.detail}` : error.detail

const refused = <K, V>(collection: string, updates: ReadonlyArray<Update<K, V>>, detail: string): Event<K, V> =>
  error({ operator: "persist", collection, reason: "Refused", detail }, earliest(updates))

/** The earliest valid time. */
const earliest = <K, V>(updates: ReadonlyArray<Update<K, V>>): number =>
  updates.reduce<number | undefined>(
    (least, { time }) => Frontier.isTimestamp(time) && (least === undefined || time < least) ? time : least,
    undefined
  ) ?? Frontier.initial
