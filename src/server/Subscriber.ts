/**
 * One subscriber: it catches up with the shared read of its collection, and then follows it.
 *
 * @internal
 */
import { Cause, Effect, Fiber, Option, type Pull, Stream } from "effect"
import type { CollectionEvent } from "../client/CollectionEvent.ts"
import type { CollectionReader } from "../client/CollectionReader.ts"
import type { Json } from "../client/StoredJson.ts"
import type { SubscribeOptions } from "../client/Subscription.ts"
import type { Frontier } from "../Frontier.ts"
import * as Events from "./Events.ts"
import type { Fanout } from "./Fanout.ts"

/**
 * The same elements, with a heartbeat after each wait of that length. The interrupted wait continues after the
 * heartbeat.
 */
const withHeartbeats = <E>(stream: Stream.Stream<Uint8Array, E>, interval: number): Stream.Stream<Uint8Array, E> =>
  Stream.unwrap(Effect.gen(function*() {
    const pull = yield* Stream.toPull(stream)
    const scope = yield* Effect.scope
    const waiting = Effect.forkIn(Effect.exit(pull), scope)
    let pending = yield* waiting
    const next = Effect.gen(function*() {
      const pulled = yield* Effect.timeoutOption(Fiber.join(pending), interval)
      if (Option.isNone(pulled)) return [Events.heartbeat] as const
      const elements = yield* pulled.value
      pending = yield* waiting
      return elements
    })
    return Stream.fromPull(Effect.succeed(next))
  }))

export interface Options {
  /** How often an idle subscriber is sent one, in milliseconds. */
  readonly heartbeat: number
  /** Called with each frontier that is delivered. */
  readonly note: (delivered: Frontier) => void
}

/**
 * The events of one subscriber, as bytes. First the contents of the collection are delivered, then the shared events. A
 * subscriber that falls behind reads the collection again until it has caught up. Between two pulls it keeps only its
 * frontier.
 */
export const events = (
  read: CollectionReader<Json, Json>,
  collection: number,
  fanout: Fanout,
  start: SubscribeOptions,
  { heartbeat, note }: Options
): Stream.Stream<Uint8Array> =>
  Stream.suspend(() => {
    let delivered = start.from
    let begun = delivered !== undefined

    const own = (events: Stream.Stream<CollectionEvent<Json, Json>, Events.EventsError>) =>
      Stream.map(events, (event) => {
        if (event._tag === "Progress") {
          delivered = event.frontier
          note(delivered)
        }
        return Events.render(event, collection)
      })
    const next: Pull.Pull<Stream.Stream<Uint8Array, Events.EventsError>, Events.EventsError> = Effect.gen(function*() {
      if (!begun) {
        begun = true
        const first = own(Stream.takeUntil(read.subscribe(start), (event) => event._tag === "Progress"))
        // It may take long until there is a first complete time to deliver.
        return withHeartbeats(first, heartbeat)
      }
      // The store was closed before there was anything to deliver.
      if (delivered === undefined) return yield* Cause.done()
      const step = yield* fanout.next(delivered)
      switch (step._tag) {
        case "Shared": {
          delivered = step.to
          note(delivered)
          return Stream.succeed(step.bytes)
        }
        case "Behind":
          return own(read.subscribe({ from: delivered, until: step.until }))
        case "Idle":
          return Stream.succeed(Events.heartbeat)
        case "End":
          return yield* Cause.done()
      }
    })
    return Stream.fromPull(Effect.succeed(Effect.map(next, (events) => [events] as const))).pipe(
      Stream.flatMap((events) => events),
      // Some servers send the headers of a response only with its first byte.
      (events) => Stream.concat(Stream.succeed(Events.heartbeat), events),
      Stream.catch((error) => Stream.succeed(Events.problem(error)))
    )
  })
