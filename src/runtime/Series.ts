/**
 * The series of a store: the attributes that distinguish its metrics from those of other stores in the process.
 *
 * Every metric of a store has `store`, its name, and `role`, which is `writer` or `follower`. Rows are counted by
 * `collection` as well, for a bounded number of collections.
 *
 * @internal
 */
import { Context, Effect, Metric, type Scope } from "effect"
import * as Metrics from "./Metrics.ts"

export type Role = "writer" | "follower"

/** The stores that are open, of each registry: two under one name would overwrite each other's gauges. */
const open = new WeakMap<Context.Service.Shape<typeof Metric.MetricRegistry>, Set<string>>()

/** Runs what opens a store, so that all that it measures in this scope is in the store's own series. */
export const within = <A, E, R>(
  name: string,
  role: Role,
  opening: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R | Scope.Scope> =>
  Effect.gen(function*() {
    const registry = yield* Metric.MetricRegistry
    const taken = open.get(registry) ?? new Set()
    open.set(registry, taken)
    let store = name
    for (let i = 2; taken.has(`${role} ${store}`); i++) store = `${name} (${i})`
    taken.add(`${role} ${store}`)
    const attributes = { ...yield* Metric.CurrentMetricAttributes, store, role }
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        taken.delete(`${role} ${store}`)
      })
    )
    const measured = Effect.gen(function*() {
      const context = yield* Effect.context<never>()
      // What a closed store has is none of anything. It runs last, when nothing of the store changes any more.
      yield* Effect.addFinalizer(() => Effect.sync(() => Metrics.resetLevels(context)))
      return yield* opening
    })
    return yield* Effect.provideService(measured, Metric.CurrentMetricAttributes, attributes)
  })

/** Runs an effect, on whatever fiber, so that what it measures is in the series of this context. */
export const of = (context: Context.Context<never>) => {
  const attributes = Context.get(context, Metric.CurrentMetricAttributes)
  return <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.provideService(effect, Metric.CurrentMetricAttributes, attributes)
}

/** Collections that have series of their own, at most. */
const maxCollections = 100

/** The context for metrics of a collection: that of a store, with the name of the collection. */
export const ofCollections = (context: Context.Context<never>): (collection: string) => Context.Context<never> => {
  const attributes = Context.get(context, Metric.CurrentMetricAttributes)
  const made = new Map<string, Context.Context<never>>()
  const make = (collection: string) =>
    Context.add(context, Metric.CurrentMetricAttributes, { ...attributes, collection })
  const others = make("(others)")
  return (collection) => {
    const known = made.get(collection)
    if (known !== undefined) return known
    if (made.size === maxCollections) return others
    const own = make(collection)
    made.set(collection, own)
    return own
  }
}
