/**
 * One shared read of a collection for all of its subscribers.
 *
 * Each range of complete times is read, decoded and rendered once. Its bytes are cached, up to a limit, under the
 * frontier where the range begins. Subscribers pull. A subscriber at that frontier sends the cached bytes. A subscriber
 * that finds no cached bytes is behind; it reads the collection itself, up to the newest frontier. A slow subscriber
 * therefore does not make memory grow.
 *
 * @internal
 */
import { Deferred, Effect, type Exit, Schedule, type Scope, Stream } from "effect"
import type { CollectionReader } from "../client/CollectionReader.ts"
import type { Json } from "../client/StoredJson.ts"
import type { Frontier } from "../Frontier.ts"
import { type EventsError, render } from "./Events.ts"

/** The next step of a subscriber. */
export type Step =
  /** Send bytes that deliver everything up to a frontier. */
  | { readonly _tag: "Shared"; readonly bytes: Uint8Array; readonly to: Frontier }
  /** Read the collection up to a frontier. */
  | { readonly _tag: "Behind"; readonly until: Frontier }
  /** Send a heartbeat: there has been nothing to deliver for a while. */
  | { readonly _tag: "Idle" }
  /** End: nothing will follow. */
  | { readonly _tag: "End" }

export interface Fanout {
  /** Waits until there is a next step for a subscriber that has received everything before the given frontier. */
  readonly next: (delivered: Frontier) => Effect.Effect<Step, EventsError>
}

export interface Options {
  /** The limit of the cached bytes, in all. */
  readonly maxBytes: number
  /** How often a subscriber with nothing to do is woken, in milliseconds. */
  readonly heartbeat: number
}

/** Follows a collection from a frontier on, until the scope closes. */
export const make = Effect.fnUntraced(function*(
  read: CollectionReader<Json, Json>,
  collection: number,
  start: Frontier,
  { heartbeat, maxBytes }: Options
): Effect.fn.Return<Fanout, never, Scope.Scope> {
  const stretches = new Map<Frontier, { readonly bytes: Uint8Array; readonly to: Frontier }>()
  let keptBytes = 0
  let head = start
  let ended: Exit.Exit<void, EventsError> | undefined
  let pending: Array<Uint8Array> = []
  let pendingBytes = 0
  let changed = Deferred.makeUnsafe<void>()

  const wake = Effect.sync(() => {
    const waiting = changed
    changed = Deferred.makeUnsafe()
    Deferred.doneUnsafe(waiting, Effect.void)
  })
  const add = (bytes: Uint8Array) => {
    pendingBytes += bytes.length
    // A range that is too large for the cache is read by each subscriber.
    if (pendingBytes <= maxBytes) pending.push(bytes)
    else pending = []
  }
  const publish = (to: Frontier) => {
    if (pendingBytes <= maxBytes) {
      stretches.set(head, { bytes: concat(pending, pendingBytes), to })
      keptBytes += pendingBytes
    }
    pending = []
    pendingBytes = 0
    head = to
    for (const [from, { bytes }] of stretches) {
      if (keptBytes <= maxBytes) break
      stretches.delete(from)
      keptBytes -= bytes.length
    }
  }

  yield* Stream.runForEach(read.subscribe({ from: start }), (event) => {
    add(render(event, collection))
    if (event._tag === "Updates") return Effect.void
    publish(event.frontier)
    return wake
  }).pipe(
    Effect.onExit((exit) => {
      ended = exit
      return wake
    }),
    Effect.forkScoped
  )
  yield* Effect.forkScoped(Effect.schedule(wake, Schedule.spaced(heartbeat)))

  const next = (delivered: Frontier): Effect.Effect<Step, EventsError> =>
    Effect.suspend((): Effect.Effect<Step, EventsError> => {
      if (delivered < head) {
        const stretch = stretches.get(delivered)
        return Effect.succeed(
          stretch === undefined ? { _tag: "Behind", until: head } : { _tag: "Shared", ...stretch }
        )
      }
      if (ended !== undefined) return Effect.as(ended, { _tag: "End" })
      return Effect.flatMap(
        Deferred.await(changed),
        () => delivered < head || ended !== undefined ? next(delivered) : Effect.succeed<Step>({ _tag: "Idle" })
      )
    })
  return { next }
})

const concat = (parts: ReadonlyArray<Uint8Array>, length: number): Uint8Array => {
  const whole = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}
