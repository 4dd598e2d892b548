/**
 * The store as the process that writes it reads and changes it: requests go through the mailbox to the owner, and what
 * is sealed already is read beside it.
 *
 * @internal
 */
import { Deferred, Effect } from "effect"
import * as ReadView from "../engine/ReadView.ts"
import type { State } from "../engine/State.ts"
import type { Log } from "../storage/Log.ts"
import * as Command from "./Command.ts"
import type { Eraser } from "./Eraser.ts"
import type { Garbage } from "./Garbage.ts"
import type { Journal } from "./Journal.ts"
import type { LogPins } from "./LogPins.ts"
import type { Mailbox } from "./Mailbox.ts"
import type { Maintenance } from "./Maintenance.ts"
import { reread } from "./Reread.ts"
import type { Store } from "./Store.ts"

/** What the store has in common with its parts. */
type Parts = Pick<Store, "feed" | "patience" | "measured" | "observe" | "batches" | "ended" | "holds">

export interface Options extends Parts {
  readonly log: Log["Service"]
  readonly state: State
  readonly mailbox: Mailbox
  readonly journal: Journal
  readonly garbage: Garbage
  readonly pins: LogPins
  readonly maintenance: Maintenance
  readonly eraser: Eraser
  /** Executes the accepted commands, and releases the log. */
  readonly close: Effect.Effect<void>
  /** How to take holds of the state that an effect gives. */
  readonly taking: (current: Effect.Effect<State, Command.Failure>, measured: Store["measured"]) => Store["hold"]
}

export const make = (options: Options): Store => {
  const { batches, ended, eraser, feed, garbage, holds, journal, log, mailbox, maintenance, measured } = options
  const { patience } = options
  const { close, observe, pins, state } = options
  const describe = Effect.suspend(() => mailbox.submit(new Command.Describe()))
  const sync = Effect.asVoid(describe)
  const confirm = Effect.andThen(sync, journal.truncate(0))
  return {
    id: Symbol(log.location),
    state: () => state,
    feed,
    patience,
    measured,
    observe,
    batches,
    offer: mailbox.offer,
    submit: mailbox.submit,
    isBusy: () => mailbox.depth() > 0,
    openView: (target) =>
      Effect.flatMap(mailbox.offer(new Command.OpenView({ target })), (reply) =>
        // An interrupted caller does not receive the reply, so that the lease is released here.
        Effect.onInterrupt(
          Deferred.await(reply),
          () => Effect.forkDetach(Effect.ignore(Effect.map(Deferred.await(reply), ({ release }) => release())))
        )),
    describe,
    viewNow: (id) => {
      const collection = state.collections.get(id)
      if (collection === undefined) return undefined
      const view = ReadView.whole(collection, state.seqNo)
      return {
        view,
        cursor: { position: state.position, writes: 0 },
        release: garbage.hold(ReadView.blobKeys(view))
      }
    },
    pinLog: pins.hold,
    reread: (position, collection) => reread(log, position, collection),
    sync,
    confirm,
    ended,
    holds,
    hold: options.taking(Effect.map(confirm, () => state), measured),
    // Jobs that somebody asks for run on the fiber of the caller.
    compact: (name) => measured(maintenance.compact(name)),
    erase: (target, key) => measured(eraser.erase(target, key)),
    maintain: measured(maintenance.runDue),
    stop: Effect.andThen(close, mailbox.ended).pipe(
      Effect.flatMap((why) => why.cause === undefined ? Effect.void : Effect.fail(why))
    )
  }
}
