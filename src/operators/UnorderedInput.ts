/**
 * An input for rows at several times at once, in any order.
 *
 * @since 0.1.0
 */
import { Effect, Exit, Semaphore } from "effect"
import type { Collection } from "../client/Collection.ts"
import type { OpenViewError } from "../client/CollectionReader.ts"
import type { WriteError } from "../client/CollectionWriter.ts"
import type { ListenError } from "../client/Listen.ts"
import * as Frontier from "../Frontier.ts"
import { ValueOutOfRange } from "../PersistError.ts"
import { toArray, type Updates } from "../Update.ts"
import type { Flow } from "./Flow.ts"
import { isPassed } from "./Seal.ts"
import { persistedSource } from "./Source.ts"

/**
 * The right to write at a time and after it, for as long as its session is open.
 *
 * @category models
 * @since 0.1.0
 */
export interface Session<in K, in V, out E> {
  /** Writes updates at or after the session's time. The input's flow delivers them once they are durable. */
  readonly give: (updates: Updates<K, V>) => Effect.Effect<number, WriteError | E>
}

/**
 * An input over one collection.
 *
 * @category models
 * @since 0.1.0
 */
export interface UnorderedInput<in out K, in out V, out E> {
  /** The contents of the collection, then everything that is given to the sessions, once it is durable. */
  readonly flow: Flow<K, V, OpenViewError | ListenError | E>
  /** Runs with a session. While it is open, its time and later times cannot be sealed. */
  readonly session: <A, E2, R>(
    time: Frontier.Timestamp,
    use: (session: Session<K, V, E>) => Effect.Effect<A, E2, R>
  ) => Effect.Effect<A, WriteError | E | E2, R>
  /** Seals up to `upper`: now as far as open sessions allow, and the rest when they have ended. */
  readonly seal: (upper: Frontier.Frontier) => Effect.Effect<void, WriteError | E>
}

/**
 * Makes an input. Sessions at different times may be open together, and the collection is sealed up to the earliest of
 * them at most, which is what a capability is in timely dataflow.
 *
 * @example
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { Codec, MemoryStorage, PersistClient, Update } from "tidemark"
 * import { unorderedInput } from "tidemark/operators"
 *
 * const program = Effect.gen(function*() {
 *   const persist = yield* PersistClient.PersistClient
 *   const clicks = yield* persist.createOrLoad("clicks", { key: Codec.string, value: Codec.unit })
 *   const input = yield* unorderedInput(clicks)
 *   yield* input.session(3, (late) =>
 *     Effect.gen(function*() {
 *       yield* input.session(7, (early) => early.give([Update.insert("b", undefined, 7)]))
 *       yield* input.seal(8)
 *       yield* late.give([Update.insert("a", undefined, 3)])
 *     }))
 *   return yield* persist.description("clicks")
 * }).pipe(Effect.provide(PersistClient.layer().pipe(Layer.provide(MemoryStorage.layer))))
 *
 * const { upper } = await Effect.runPromise(program)
 * if (upper !== 8) throw new Error("it is sealed once the session at 3 is over")
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const unorderedInput = <K, V, E>(handles: Collection<K, V, E>): Effect.Effect<UnorderedInput<K, V, E>> =>
  Effect.map(Semaphore.make(1), (semaphore) => {
    const { reader, writer } = handles
    const open = new Map<symbol, Frontier.Timestamp>()
    let wanted = Frontier.initial
    let sealed = Frontier.initial

    /** Seals as far as is wanted and allowed. */
    const settle = semaphore.withPermit(Effect.suspend((): Effect.Effect<void, WriteError | E> => {
      const upper = Math.min(wanted, ...open.values())
      return upper <= sealed
        ? Effect.void
        : writer.seal(upper).pipe(
          Effect.catchIf(isPassed, () => Effect.void),
          Effect.map(() => void (sealed = upper))
        )
    }))

    return {
      flow: persistedSource(reader),
      session: (time, use) =>
        Effect.acquireUseRelease(
          Effect.sync(() => {
            const id = Symbol()
            open.set(id, time)
            return id
          }),
          () =>
            use({
              give: (updates) => {
                const rows = toArray(updates)
                return rows.every((update) => update.time >= time)
                  ? writer.append(rows)
                  : Effect.fail(
                    new ValueOutOfRange({
                      what: "the time of an update",
                      detail: `the session writes at ${time} and after it`
                    })
                  )
              }
            }),
          (id) => Effect.sync(() => void open.delete(id))
          // A failed session fails with its own error. If its seal fails too, the next seal reports it.
        ).pipe(Effect.onExit((exit) => Exit.isSuccess(exit) ? settle : Effect.ignore(settle))),
      seal: (upper) => Effect.andThen(Effect.sync(() => void (wanted = Math.max(wanted, upper))), settle)
    }
  })
