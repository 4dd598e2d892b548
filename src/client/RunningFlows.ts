/**
 * The flows that run in this process on the collections of a client, by the names that they have registered with.
 *
 * @internal
 */
import { Effect, type Scope } from "effect"
import type { Store } from "../runtime/Store.ts"
import { type PersistClient, storeOf } from "./PersistClient.ts"

/** A flow from collections to another one. */
export interface RunningFlow {
  readonly name: string
  readonly from: ReadonlyArray<string>
  readonly to: string
}

const running = new WeakMap<Store, Set<RunningFlow>>()

/** Those that run now, in the order in which they were registered. */
export const of = (client: PersistClient["Service"]): ReadonlyArray<RunningFlow> => [
  ...running.get(storeOf(client)) ?? []
]

/** Registers a flow until the scope closes. */
export const register = (
  client: PersistClient["Service"],
  flow: RunningFlow
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.asVoid(
    Effect.acquireRelease(
      Effect.sync(() => {
        const flows = running.get(storeOf(client)) ?? new Set()
        running.set(storeOf(client), flows)
        // The same flow may run several times.
        const registered = { ...flow }
        flows.add(registered)
        return () => flows.delete(registered)
      }),
      (remove) => Effect.sync(remove)
    )
  )
