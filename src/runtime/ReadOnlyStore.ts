/**
 * A store that this process only reads: operations that would change it are rejected.
 *
 * @internal
 */
import { Effect } from "effect"
import * as ReadView from "../engine/ReadView.ts"
import { CollectionDestroyed, ReadOnly } from "../PersistError.ts"
import * as Command from "./Command.ts"
import type { Store } from "./Store.ts"

export interface Options
  extends Pick<Store, "state" | "feed" | "measured" | "observe" | "batches" | "reread" | "hold" | "stop">
{
  /** Names the storage in messages. */
  readonly location: string
  /** After it, the state has everything that was durable before the call. */
  readonly catchUp: Store["sync"]
}

export const make = (options: Options): Store => {
  const { batches, catchUp, feed, hold, location, measured, observe, reread, state, stop } = options
  const viewNow = (id: number): Command.OpenedView | undefined => {
    const { collections, position, seqNo } = state()
    const collection = collections.get(id)
    if (collection === undefined) return undefined
    return { view: ReadView.whole(collection, seqNo), cursor: { position, writes: 0 }, release: () => {} }
  }
  return {
    id: Symbol(location),
    state,
    feed,
    measured,
    observe,
    batches,
    offer: ({ _tag }) => refuse(_tag),
    submit: ({ _tag }) => refuse(_tag),
    openView: (target) =>
      Effect.flatMap(catchUp, () => {
        const opened = viewNow(target.id)
        return opened === undefined
          ? Effect.fail(new CollectionDestroyed({ collection: target.name }))
          : Effect.succeed(opened)
      }),
    describe: Effect.map(catchUp, () => Command.describe(state())),
    viewNow,
    pinLog: () => ({ advance: () => {}, isExpired: () => false, release: () => {} }),
    reread,
    sync: catchUp,
    confirm: catchUp,
    ended: Effect.never,
    hold,
    compact: () => refuse("compact"),
    erase: () => refuse("erase"),
    maintain: refuse("maintain"),
    stop
  }
}

export const refuse = (operation: string) => Effect.fail(new ReadOnly({ operation }))
