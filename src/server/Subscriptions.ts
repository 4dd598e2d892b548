/**
 * The subscriptions of a server: each request for the events of a collection gets a seat, and the shared read of it.
 *
 * @internal
 */
import { Effect, RcMap } from "effect"
import { HttpServerResponse } from "effect/http"
import { type Description, PersistClient, storeOf } from "../client/PersistClient.ts"
import * as StoredJson from "../client/StoredJson.ts"
import type { SubscribeOptions } from "../client/Subscription.ts"
import * as Frontier from "../Frontier.ts"
import { AsOfBeforeSince, UnknownCollection } from "../PersistError.ts"
import * as Fanout from "./Fanout.ts"
import type * as Pace from "./Pace.ts"
import * as Problem from "./Problem.ts"
import { parseSubscriptionId } from "./Rows.ts"
import * as Seats from "./Seats.ts"
import * as Subscriber from "./Subscriber.ts"

export interface Options extends Fanout.Options {
  readonly maxSubscribers: number
}

/** A subscriber, and what has been delivered to it. */
export interface Connected {
  readonly collection: string
  readonly delivered: number
}

/** How a subscription is answered: to the name of a collection, and to where the request begins. */
export const make = Effect.fnUntraced(
  function*(client: PersistClient["Service"], pace: Pace.Pace, options: Options) {
    const open = (name: string) => Effect.provideService(StoredJson.open(name), PersistClient, client)
    const seats = yield* Seats.make(options.maxSubscribers, storeOf(client).measured)
    const fanouts = yield* RcMap.make({
      lookup: (id: number) =>
        Effect.gen(function*() {
          const description = (yield* client.descriptions).find((each) => each.id === id)
          if (description === undefined) return yield* new UnknownCollection({ collection: `${id}` })
          const { reader } = yield* open(description.name)
          return yield* Fanout.make(reader, id, Math.max(description.upper, description.since + 1), options)
        })
    })

    const subscribers = new Map<symbol, Connected>()
    /** Shows a subscriber until the scope closes. Returns how its progress is noted. */
    const show = (collection: string, start: number) =>
      Effect.map(
        Effect.acquireRelease(
          Effect.sync(() => {
            const id = Symbol(collection)
            subscribers.set(id, { collection, delivered: start })
            return id
          }),
          (id) => Effect.sync(() => subscribers.delete(id))
        ),
        (id) => (delivered: number) => void subscribers.set(id, { collection, delivered })
      )

    const subscribe = (name: string, lastEventId: string | undefined, query: SubscribeOptions) =>
      Effect.gen(function*() {
        const { collection, frontier: from } = resumption(lastEventId, query.from)
        const { description, reader } = yield* open(name)
        if (collection !== undefined && collection !== description.id) {
          return yield* recreated(name, collection, description.id)
        }
        // Everything has been delivered; this status keeps browsers from reconnecting.
        if (from === Frontier.empty) return HttpServerResponse.empty({ status: 204 })
        const start = from === undefined ? query : { from }
        yield* checkStart(description, start)
        const fanout = yield* RcMap.get(fanouts, description.id)
        yield* seats.take
        const note = yield* show(name, start.from ?? description.since)
        return HttpServerResponse.stream(
          pace.guard(Subscriber.events(reader, description.id, fanout, start, { heartbeat: options.heartbeat, note })),
          {
            contentType: "text/event-stream",
            headers: { "cache-control": "no-store" }
          }
        )
      }).pipe(
        Effect.mapError((error) =>
          error instanceof Problem.TooManySubscribers || error instanceof Problem.CollectionRecreated
            ? error
            : Problem.of(error)
        )
      )
    return { subscribe, connected: (): ReadonlyArray<Connected> => [...subscribers.values()] }
  }
)

/** Rejects a request to read from before `since`, before a response has begun. */
const checkStart = ({ name, since }: Description, start: SubscribeOptions) => {
  const first = start.from === undefined || start.from === 0 ? start.asOf : start.from - 1
  return first === undefined || first >= since
    ? Effect.void
    : Effect.fail(new AsOfBeforeSince({ collection: name, asOf: first, since }))
}

/** Where a subscription resumes. The header, which browsers send, has priority over the parameter. */
const resumption = (lastEventId: string | undefined, from: number | undefined) =>
  lastEventId === undefined ? { collection: undefined, frontier: from } : parseSubscriptionId(lastEventId)

const recreated = (name: string, before: number, now: number) =>
  Effect.fail(
    new Problem.CollectionRecreated({
      detail: `"${name}" was destroyed and created again: its id was ${before} and is ${now}; begin again without an id`
    })
  )
