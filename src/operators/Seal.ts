/**
 * Sealing collections as far as a flow has come.
 *
 * @since 0.1.0
 */
import { Effect, Schedule, Stream } from "effect"
import type { CollectionWriter, WriteError } from "../client/CollectionWriter.ts"
import * as MultiWriter from "../client/MultiWriter.ts"
import type { Frontier } from "../Frontier.ts"
import { type InvalidHandle, InvalidRequest } from "../PersistError.ts"
import { type Event, type Flow, merge } from "./Flow.ts"

/**
 * How seals are tried again when storage fails. Default: for about a minute, at growing distances.
 *
 * @category models
 * @since 0.1.0
 */
export interface SealOptions {
  readonly retry?: Schedule.Schedule<unknown> | undefined
}

/**
 * A handle of any type that can be sealed.
 *
 * @category models
 * @since 0.1.0
 */
export type Sealable<E> = CollectionWriter<never, never, E>

const defaultRetry = Schedule.min([Schedule.exponential("50 millis"), Schedule.spaced("5 seconds")]).pipe(
  Schedule.jittered,
  Schedule.upTo({ times: 20 })
)

/**
 * Seals a collection, or several in one step, as far as the flow has come. A frontier is passed on only once the seal is
 * durable. Of frontiers that come together the last one is sealed and passed on. A frontier that the collection has
 * passed already is passed on at once.
 *
 * A seal is tried again while storage is unavailable or its outcome unknown, which is safe, as sealing twice is sealing
 * once. When that does not help the flow fails, and has promised nothing that is not so.
 *
 * @category operators
 * @since 0.1.0
 */
export const seal =
  <E2>(handles: Sealable<E2> | ReadonlyArray<Sealable<E2>>, options: SealOptions = {}) =>
  <K, V, E, R>(flow: Flow<K, V, E, R>): Flow<K, V, E | E2 | WriteError | InvalidHandle, R> => {
    const list: ReadonlyArray<Sealable<E2>> = "seal" in handles ? [handles] : handles
    return Stream.unwrap(
      Effect.map(
        sealing(list, options.retry ?? defaultRetry),
        (sealTo) =>
          Stream.mapAccumArrayEffect(flow, () => undefined, (state, chunk) => {
            const last = chunk.findLast(isProgress)
            const events = chunk.filter((event) => !isProgress(event) || event === last)
            const sealed = last === undefined ? Effect.void : sealTo(last.frontier)
            return Effect.as(sealed, [state, events] as const)
          })
      )
    )
  }

const isProgress = <K, V>(event: Event<K, V>): event is Extract<Event<K, V>, { readonly _tag: "Progress" }> =>
  event._tag === "Progress"

/**
 * The data of `primary`, sealed as far as both flows have come: `condition`'s collection no later than `primary`'s, so
 * that a restart never finds output whose input is not complete. With the bindings of a source as the condition this is what
 * makes a pipeline exactly once.
 *
 * Only the errors of the condition come out, not its data.
 *
 * @category operators
 * @since 0.1.0
 */
export const conditionalSeal = <K, V, E, R, KC, VC, EC, RC, E2 = never>(
  options: {
    readonly primary: { readonly flow: Flow<K, V, E, R>; readonly write: Sealable<E2> }
    readonly condition: { readonly flow: Flow<KC, VC, EC, RC>; readonly write: Sealable<E2> }
  } & SealOptions
): Flow<K, V, E | EC | E2 | WriteError | InvalidHandle, R | RC> => {
  const { condition, primary } = options
  const withoutData = Stream.filter(
    condition.flow,
    (event): event is Exclude<Event<KC, VC>, { readonly _tag: "Updates" }> => event._tag !== "Updates"
  )
  return merge<K, V, E | EC, R | RC>([primary.flow, withoutData]).pipe(
    seal([condition.write, primary.write], options)
  )
}

/** Seals all of the collections, as one if they stand at the same place, and each after those before it otherwise. */
const sealing = <E>(handles: ReadonlyArray<Sealable<E>>, retry: Schedule.Schedule<unknown>) =>
  Effect.map(MultiWriter.make(handles), (all) => {
    const each = (upper: Frontier) =>
      Effect.forEach(handles, (handle) =>
        all.seal(upper, [handle]).pipe(
          Effect.catchIf(isPassed, () => Effect.void)
        ), { discard: true })
    return (upper: Frontier): Effect.Effect<void, WriteError | InvalidHandle> =>
      all.seal(upper).pipe(
        Effect.catchIf(isPassed, () => each(upper)),
        Effect.retry({ schedule: retry, while: isRetryable }),
        Effect.asVoid
      )
  })

/** @internal Whether a seal was refused because the collection is sealed further. */
export const isPassed = (error: unknown): boolean => error instanceof InvalidRequest && error.reason === "SealRegressed"

const isRetryable = ({ _tag }: WriteError | InvalidHandle): boolean =>
  _tag === "Unavailable" || _tag === "Indeterminate" || _tag === "OutOfSpace"
