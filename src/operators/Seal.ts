/**
 * Seals collections up to the frontier of a flow.
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
 * How seals are retried when storage fails. Default: for about a minute, with growing pauses.
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
 * Seals a collection, or several in one step, up to the frontier of the flow. A frontier is passed on only once the
 * seal is durable. If several frontiers arrive together, only the last one is sealed and passed on. A frontier that the
 * collection is already sealed up to is passed on at once.
 *
 * A seal is retried while storage is unavailable or its outcome is unknown. This is safe because sealing is idempotent.
 * If the retries fail, the flow fails. It has then passed on no frontier that is not durable.
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
 * The data of `primary`, sealed up to the frontier of both flows. The collection of `condition` is sealed no later than
 * that of `primary`, so that a restart never finds output whose input is not complete. With the bindings of a source as
 * the condition this makes a pipeline exactly-once.
 *
 * The errors of the condition are passed on, its data is not.
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

/** Seals all of the collections in one step. If one of them is sealed further, it seals each by itself, in order. */
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

/** @internal Whether a seal was rejected because the collection is sealed further. */
export const isPassed = (error: unknown): boolean => error instanceof InvalidRequest && error.reason === "SealRegressed"

const isRetryable = ({ _tag }: WriteError | InvalidHandle): boolean =>
  _tag === "Unavailable" || _tag === "Indeterminate" || _tag === "OutOfSpace"
