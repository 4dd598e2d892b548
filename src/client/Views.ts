/**
 * Opening read views: of everything, or as of a time, once it is sealed.
 *
 * @since 0.1.0
 */
import { Effect } from "effect"
import type { Collection } from "../engine/Collection.ts"
import * as Frontier from "../Frontier.ts"
import {
  AsOfBeforeSince,
  AsOfNotSealed,
  CollectionDestroyed,
  RuntimeShutdown,
  type StorageError,
  type ValueOutOfRange
} from "../PersistError.ts"
import type { Failure, OpenedView } from "../runtime/Command.ts"
import type { ReadStore } from "../runtime/ReadStore.ts"
import * as LongWait from "./LongWait.ts"

/**
 * As of when to read.
 *
 * Without `asOf`, a read returns everything that is durable after the commands before it, sealed or not. With `asOf`,
 * it returns the contents as of that time, which never change. The read waits until the time is sealed. With `wait:
 * false` it fails with `AsOfNotSealed` instead.
 *
 * @category models
 * @since 0.1.0
 */
export interface AsOf {
  readonly asOf?: Frontier.Timestamp | undefined
  readonly wait?: boolean | undefined
}

/**
 * What opening a read may fail with.
 *
 * @category errors
 * @since 0.1.0
 */
export type OpenViewError = Failure | AsOfBeforeSince | AsOfNotSealed | CollectionDestroyed | ValueOutOfRange

/** @internal The collection as it is now, if the time is sealed in it and not before `since`. */
export const sealedNow = (store: ReadStore, id: number, asOf: number): Collection | undefined => {
  const now = store.state().collections.get(id)
  return now !== undefined && Number.isSafeInteger(asOf) && now.since <= asOf && asOf < now.upper ? now : undefined
}

/** @internal Fails for what is no time. */
export const checkTime = (time: number): Effect.Effect<void, ValueOutOfRange> =>
  Effect.suspend(() => {
    const error = Frontier.checkTime("the time to read as of", time)
    return error === undefined ? Effect.void : Effect.fail(error)
  })

/**
 * @internal Opens a read view after the commands before it, or as soon as `asOf` is sealed. A time that is already sealed needs
 * no position in the order of commands, because its contents never change.
 */
export const openAt = (
  store: ReadStore,
  collection: { readonly id: number; readonly name: string },
  { asOf, wait = true }: AsOf
): Effect.Effect<OpenedView, OpenViewError> => {
  if (asOf === undefined) return store.openView(collection)
  const { id, name } = collection

  const isSealed = (opened: OpenedView): Effect.Effect<boolean, AsOfBeforeSince> => {
    const { since, upper } = opened.view
    if (asOf < upper && asOf >= since) return Effect.succeed(true)
    opened.release()
    return asOf < since ? Effect.fail(new AsOfBeforeSince({ collection: name, asOf, since })) : Effect.succeed(false)
  }
  const waiting: Effect.Effect<OpenedView, AsOfBeforeSince | CollectionDestroyed | RuntimeShutdown | StorageError> =
    Effect.suspend(
      () => {
        const position = store.feed.upper()
        const opened = store.viewNow(id)
        if (opened === undefined) return Effect.fail(new CollectionDestroyed({ collection: name }))
        return Effect.flatMap(isSealed(opened), (sealed) =>
          sealed
            ? Effect.succeed(opened)
            : Effect.flatMap(
              store.feed.await(position),
              (goesOn) => goesOn ? waiting : Effect.fail(new RuntimeShutdown())
            ))
      }
    )

  return Effect.gen(function*() {
    yield* checkTime(asOf)
    if (sealedNow(store, id, asOf) !== undefined) return store.viewNow(id)!
    const opened = yield* store.openView(collection)
    if (yield* isSealed(opened)) return opened
    if (!wait) return yield* new AsOfNotSealed({ collection: name, asOf, upper: opened.view.upper })
    return yield* LongWait.warned(store, { what: "read", collection, time: () => asOf }, waiting)
  })
}
