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

/** How many events may wait, and as many are waited for. The runtime bounds their bytes. */
const inFlight = 16

/**
 * Writes the updates of a flow, and passes them on once they are durable; so whatever comes out, and every frontier that
 * does, is on disk. Several batches are under way at a time, in order. It does not seal.
 *
 * A batch that cannot be written whatever one tries (a time below the collection's seal, a value that does not encode) is
 * refused as a whole: it does not come out, an error at its earliest time does, and the flow goes on. When storage fails
 * the flow fails.
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
      // Those that have gathered share their flushes, and come out together.
      Stream.mapArrayEffect((chunk) => Effect.forEach(chunk, (offered) => settled(write.name, offered)))
    )

interface Offered<K, V> {
  readonly event: Event<K, V>
  readonly ack?: Ack
}

/** Gives the updates their place in the order, or says why there is none for them. */
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

/** @internal Whether updates cannot be written whatever one tries: they do not encode, or their time is sealed. */
export const isRefusal = (error: unknown): error is ValueOutOfRange | InvalidRequest =>
  error instanceof ValueOutOfRange || error instanceof InvalidRequest && error.reason === "TimeSealed"

/** @internal Why they cannot. */
export const refusal = (error: ValueOutOfRange | InvalidRequest): string =>
  error instanceof ValueOutOfRange ? `${error.what}: ${error.detail}` : error.detail

const refused = <K, V>(collection: string, updates: ReadonlyArray<Update<K, V>>, detail: string): Event<K, V> =>
  error({ operator: "persist", collection, reason: "Refused", detail }, earliest(updates))

/** The earliest time that is one. */
const earliest = <K, V>(updates: ReadonlyArray<Update<K, V>>): number =>
  updates.reduce<number | undefined>(
    (least, { time }) => Frontier.isTimestamp(time) && (least === undefined || time < least) ? time : least,
    undefined
  ) ?? Frontier.initial
