/**
 * A store that this process only reads: everything that would change it is refused.
 *
 * @internal
 */
import { Effect } from "effect"
import * as Capture from "../engine/Capture.ts"
import { ReadOnly, StreamDestroyed } from "../PersistError.ts"
import type * as Command from "./Command.ts"
import * as Owner from "./Owner.ts"
import type { Store } from "./Store.ts"

export interface Options extends Pick<Store, "state" | "feed" | "batches" | "reread" | "hold" | "stop"> {
  /** Names the place, for messages. */
  readonly location: string
  /** After it, the state has everything that was durable before the call. */
  readonly catchUp: Store["sync"]
}

export const make = ({ batches, catchUp, feed, hold, location, reread, state, stop }: Options): Store => {
  const captureNow = (id: number): Command.Captured | undefined => {
    const { collections, position, seqNo } = state()
    const collection = collections.get(id)
    if (collection === undefined) return undefined
    return { capture: Capture.whole(collection, seqNo), cursor: { position, writes: 0 }, release: () => {} }
  }
  return {
    id: Symbol(location),
    state,
    feed,
    batches,
    offer: ({ _tag }) => refuse(_tag),
    submit: ({ _tag }) => refuse(_tag),
    capture: (target) =>
      Effect.flatMap(catchUp, () => {
        const captured = captureNow(target.id)
        return captured === undefined
          ? Effect.fail(new StreamDestroyed({ collection: target.name }))
          : Effect.succeed(captured)
      }),
    describe: Effect.map(catchUp, () => Owner.describe(state())),
    captureNow,
    holdLog: () => ({ advance: () => {}, isExpired: () => false, release: () => {} }),
    reread,
    sync: catchUp,
    hold,
    compact: () => refuse("compact"),
    erase: () => refuse("erase"),
    maintain: refuse("maintain"),
    stop
  }
}

export const refuse = (operation: string) => Effect.fail(new ReadOnly({ operation }))
