/**
 * The store of Effect's `RateLimiter`, on a table: limits that a restart does not forget.
 *
 * Each use of a limit is a commit. A limit whose loss would not matter is faster in memory.
 *
 * @since 0.1.0
 */
import { Clock, Duration, Effect, Layer, Option } from "effect"
import * as Effects from "effect/persistence/RateLimiter"
import type { PersistClient } from "../client/PersistClient.ts"
import * as Codec from "../Codec.ts"
import type * as Table from "../tables/Table.ts"
import * as Backing from "./Backing.ts"
import * as RateLimits from "./RateLimits.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The table's name. Default `"rate-limiter"`. Other layers of the same store may share it, and then share limits. */
  readonly table?: string | undefined
}

type Key = readonly [rule: string, key: string]

const declaration: Table.Options<Key, RateLimits.State, {}> = {
  key: Codec.tuple([Codec.string, Codec.string]),
  value: Codec.json as unknown as Codec.Codec<RateLimits.State>,
  history: "latest",
  expire: ({ expiresAt }) => expiresAt
}

const failing = Effect.mapError((cause: Backing.BackingError) =>
  new Effects.RateLimiterError({
    reason: new Effects.RateLimitStoreError({ message: `a limit cannot be stored: ${cause.message}`, cause })
  })
)

/** Takes one step with the state of a key, of which only its rule knows the form. */
const stepping = (table: Table.Table<Key, RateLimits.State>) =>
<S extends RateLimits.State, A>(
  key: Key,
  step: (known: S | undefined, now: number) => RateLimits.Step<S, A>
): Effect.Effect<A, Effects.RateLimiterError> =>
  Effect.suspend(() => {
    let answer: A
    return Effect.flatMap(Clock.currentTimeMillis, (now) =>
      table.modify(key, (known) => {
        const [next, found] = step(Option.getOrUndefined(known) as S | undefined, now)
        answer = found
        return Option.fromUndefinedOr<RateLimits.State | undefined>(next)
      })).pipe(failing, Effect.map(() => answer))
  })

/**
 * Makes the store on a table, which is created if absent.
 *
 * @see {@link layerStore}
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeStore = Effect.fnUntraced(function*({ table: name = "rate-limiter" }: Options = {}) {
  const { table } = yield* Backing.open(name, declaration)
  const step = stepping(table)
  return Effects.RateLimiterStore.of({
    fixedWindow: ({ key, limit, refillRate, tokens }) =>
      step(
        ["window", key],
        (known: RateLimits.Window | undefined, now) =>
          RateLimits.takeInWindow(known, now, { tokens, limit, refillMillis: Duration.toMillis(refillRate) })
      ),
    tokenBucket: ({ allowOverflow, key, limit, refillRate, tokens }) =>
      step(["bucket", key], (known: RateLimits.Bucket | undefined, now) => {
        const refillMillis = Duration.toMillis(refillRate)
        return RateLimits.takeFromBucket(known, now, { tokens, limit, allowOverflow, refillMillis })
      }),
    adaptiveConsume: ({ fallbackWindow, key, tokens }) =>
      Effect.map(
        step(
          ["adaptive", key],
          (known: RateLimits.Adaptive | undefined, now) =>
            RateLimits.consume(known, now, { tokens, fallbackMillis: Duration.toMillis(fallbackWindow) })
        ),
        ({ delayMillis, epoch, phase }) => ({ delay: Duration.millis(delayMillis), epoch, phase })
      ),
    adaptiveFeedback: ({ epoch, key, retryAfter, status, tokens }) =>
      status !== 429 || retryAfter === undefined
        ? Effect.void
        : step(["adaptive", key], (known: RateLimits.Adaptive | undefined, now) => {
          const retryAfterMillis = Duration.toMillis(retryAfter)
          return [RateLimits.refused(known, now, { epoch, tokens, retryAfterMillis }), undefined]
        })
  })
})

/**
 * The store of Effect's `RateLimiter` on a table: provide it to `RateLimiter.layer`.
 *
 * @example
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { RateLimiter } from "effect/persistence"
 * import { MemoryStorage, PersistClient } from "tidemark"
 * import { RateLimiter as Durable } from "tidemark/services"
 *
 * const program = Effect.gen(function*() {
 *   const limiter = yield* RateLimiter.RateLimiter
 *   return yield* limiter.consume({ key: "ada", limit: 5, window: "1 minute", onExceeded: "fail" })
 * })
 *
 * const store = PersistClient.layer().pipe(Layer.provide(MemoryStorage.layer))
 * const limits = RateLimiter.layer.pipe(Layer.provide(Durable.layerStore()), Layer.provide(store))
 * await Effect.runPromise(Effect.map(Effect.provide(program, limits), ({ remaining }) => remaining)) // 4
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerStore = (options?: Options): Layer.Layer<Effects.RateLimiterStore, Table.OpenError, PersistClient> =>
  Layer.effect(Effects.RateLimiterStore, makeStore(options))
