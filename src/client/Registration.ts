/**
 * What the handles of one collection share: its registration, its codecs, and the open store.
 *
 * @internal
 */
import { Effect, Exit } from "effect"
import type { Registration } from "../engine/Commit.ts"
import type { Target } from "../engine/Stage.ts"
import type { Store } from "../runtime/Store.ts"
import type * as Rows from "./Rows.ts"

export interface Registered<K, V, E> {
  readonly name: string
  readonly store: Store
  readonly codecs: Rows.Codecs<K, V>
  readonly policy: Rows.DecodePolicy
  /** The registration, or the error that it failed with. */
  readonly registration: Effect.Effect<Registration, E>
}

/** The collection as commands name it. */
export const target = <K, V, E>({ name, registration }: Registered<K, V, E>): Effect.Effect<Target, E> => {
  const named = ({ id }: Registration): Target => ({ id, name })
  // What is known already is named once, and not at each command.
  return Exit.isExit(registration)
    ? Exit.map(registration as Exit.Exit<Registration, E>, named)
    : Effect.map(registration, named)
}
