/**
 * One shared read of a collection for all of its subscribers.
 *
 * Each range of complete times is read, decoded and rendered once. Its bytes are cached, up to a limit, under the
 * frontier where the range begins. Subscribers pull. A subscriber at that frontier sends the cached bytes, together with
 * those of the ranges after it, so that one that is late catches up in few steps. A subscriber
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

/** Bytes that a subscriber is given at a time, but for a single range that has more. */
export const mostTogether = 64 * 1024

/** Subscribers that are woken before others have a turn. */
const wokenTogether = 8

interface Stretch {
  readonly bytes: Uint8Array
  readonly to: Frontier
}

/** The newest ranges as bytes, up to a limit. */
const makeCache = (start: Frontier, maxBytes: number) => {
  const stretches = new Map<Frontier, Stretch>()
  /** Ranges that were put together since the last one was added: many subscribers stand at the same frontier. */
  const joined = new Map<Frontier, Stretch>()
  let keptBytes = 0
  let head = start
  let pending: Array<Uint8Array> = []
  let pendingBytes = 0

  const join = (first: Stretch): Stretch => {
    const parts = [first.bytes]
    let { length } = first.bytes
    let { to } = first
    for (let next = stretches.get(to); next !== undefined; next = stretches.get(to)) {
      if (length + next.bytes.length > mostTogether) break
      parts.push(next.bytes)
      length += next.bytes.length
      to = next.to
    }
    return parts.length === 1 ? first : { bytes: concat(parts, length), to }
  }
  return {
    head: () => head,
    add: (bytes: Uint8Array) => {
      pendingBytes += bytes.length
      // A range that is too large for the cache is read by each subscriber.
      if (pendingBytes <= maxBytes) pending.push(bytes)
      else pending = []
    },
    /** Ends the range of what was added. */
    publish: (to: Frontier) => {
      if (pendingBytes <= maxBytes) {
        stretches.set(head, { bytes: concat(pending, pendingBytes), to })
        keptBytes += pendingBytes
      }
      pending = []
      pendingBytes = 0
      head = to
      joined.clear()
      for (const [from, { bytes }] of stretches) {
        if (keptBytes <= maxBytes) break
        stretches.delete(from)
        keptBytes -= bytes.length
      }
    },
    /** What follows a frontier, as far as it is given at a time. */
    after: (delivered: Frontier): Stretch | undefined => {
      const first = stretches.get(delivered)
      if (first === undefined) return undefined
      const together = joined.get(delivered) ?? join(first)
      joined.set(delivered, together)
      return together
    }
  }
}

/** Follows a collection from a frontier on, until the scope closes. */
export const make = Effect.fnUntraced(function*(
  read: CollectionReader<Json, Json>,
  collection: number,
  start: Frontier,
  { heartbeat, maxBytes }: Options
): Effect.fn.Return<Fanout, never, Scope.Scope> {
  const cache = makeCache(start, maxBytes)
  let ended: Exit.Exit<void, EventsError> | undefined
  /** Subscribers that wait, in the order in which they came. */
  let waiting: Array<Deferred.Deferred<void>> = []

  /** A woken subscriber sends at once. While many do, the writers of the collection and others still have their turns. */
  const wake = Effect.gen(function*() {
    const all = waiting
    waiting = []
    for (let at = 0; at < all.length; at += wokenTogether) {
      for (const each of all.slice(at, at + wokenTogether)) Deferred.doneUnsafe(each, Effect.void)
      yield* Effect.yieldNow
    }
  })
  yield* Stream.runForEach(read.subscribe({ from: start }), (event) => {
    cache.add(render(event, collection))
    if (event._tag === "Updates") return Effect.void
    cache.publish(event.frontier)
    // The next range is read after that, so that it has all that has been sealed in the meantime.
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
      if (delivered < cache.head()) {
        const stretch = cache.after(delivered)
        return Effect.succeed(
          stretch === undefined ? { _tag: "Behind", until: cache.head() } : { _tag: "Shared", ...stretch }
        )
      }
      if (ended !== undefined) return Effect.as(ended, { _tag: "End" })
      const woken = Deferred.makeUnsafe<void>()
      waiting.push(woken)
      return Effect.flatMap(
        Deferred.await(woken),
        () => delivered < cache.head() || ended !== undefined ? next(delivered) : Effect.succeed<Step>({ _tag: "Idle" })
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
