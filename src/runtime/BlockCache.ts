/**
 * A cache of decoded blocks and footers, bounded in bytes, which evicts the least recently used first. Concurrent
 * requests for the same key share one fetch.
 *
 * @internal
 */
import { type Context, Deferred, Effect, type Exit } from "effect"
import * as Metrics from "./Metrics.ts"

export interface BlockCache {
  /** The value under the key: from the cache, from a fetch that is under way, or from `fetch`. */
  readonly get: <A, E>(
    key: string,
    fetch: Effect.Effect<{ readonly value: A; readonly bytes: number }, E>
  ) => Effect.Effect<A, E>
  /** The value under the key, if it is in the cache. A key is asked for with one type only. */
  readonly peek: <A>(key: string) => A | undefined
  /** Evicts all entries whose key starts with one of the prefixes. */
  readonly forget: (prefixes: ReadonlyArray<string>) => void
  readonly bytes: () => number
}

interface CachedBlock {
  readonly value: unknown
  readonly bytes: number
}

export const make = (maxBytes: number, context: Context.Context<never>): BlockCache => {
  // A Map iterates in the order of insertion: taking a key out and putting it in again makes it the newest.
  const held = new Map<string, CachedBlock>()
  const fetching = new Map<string, Deferred.Deferred<unknown, unknown>>()
  let bytes = 0

  const drop = (key: string) => {
    bytes -= held.get(key)!.bytes
    held.delete(key)
  }
  const keep = (key: string, entry: CachedBlock) => {
    if (entry.bytes > maxBytes / 4) return
    if (held.has(key)) drop(key)
    held.set(key, entry)
    bytes += entry.bytes
    for (const oldest of held.keys()) {
      if (bytes <= maxBytes) break
      drop(oldest)
    }
    Metrics.cacheBytes.updateUnsafe(bytes, context)
  }
  const fetched = (key: string, exit: Exit.Exit<CachedBlock, unknown>) => {
    const waiting = fetching.get(key)!
    fetching.delete(key)
    if (exit._tag === "Success") {
      Metrics.cacheFetchBytes.updateUnsafe(exit.value.bytes, context)
      keep(key, exit.value)
    }
    Deferred.doneUnsafe(waiting, Effect.map(exit, ({ value }) => value))
  }

  const peek = <A>(key: string): A | undefined => {
    const found = held.get(key)
    if (found === undefined) return undefined
    Metrics.cacheHits.updateUnsafe(1, context)
    held.delete(key)
    held.set(key, found)
    return found.value as A
  }

  return {
    peek,
    get: <A, E>(key: string, fetch: Effect.Effect<{ readonly value: A; readonly bytes: number }, E>) =>
      Effect.suspend((): Effect.Effect<A, E> => {
        const found = peek<A>(key)
        if (found !== undefined) return Effect.succeed(found)
        const underway = fetching.get(key)
        if (underway !== undefined) return Deferred.await(underway as Deferred.Deferred<A, E>)
        Metrics.cacheMisses.updateUnsafe(1, context)
        const waiting = Deferred.makeUnsafe<A, E>()
        fetching.set(key, waiting as Deferred.Deferred<unknown, unknown>)
        // Other fibers may wait for this fetch, so that interrupting the fiber that began it must not stop it.
        return Effect.uninterruptible(
          Effect.andThen(
            Effect.onExit(fetch, (exit) => Effect.sync(() => fetched(key, exit))),
            Deferred.await(waiting)
          )
        )
      }),
    forget: (prefixes) => {
      for (const key of Array.from(held.keys())) if (prefixes.some((prefix) => key.startsWith(prefix))) drop(key)
    },
    bytes: () => bytes
  }
}
