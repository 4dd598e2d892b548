/**
 * Observers: those who must know of a commit at the moment in which it becomes visible, before anybody is answered. A cache
 * of current rows is one.
 *
 * They are called on the owner's fiber, for every commit: what they do must be short, and must not fail.
 *
 * @internal
 */
import type { Change } from "../engine/Commit.ts"

/** Told of a commit, or, with `undefined`, that commits were missed. */
export type Observer = (changes: ReadonlyArray<Change> | undefined) => void

export interface Observers {
  /** Begins to observe. Returns how to end it. */
  readonly add: (observer: Observer) => () => void
  readonly notify: Observer
}

export const make = (): Observers => {
  const observers = new Set<Observer>()
  return {
    add: (observer) => {
      observers.add(observer)
      return () => void observers.delete(observer)
    },
    notify: (changes) => {
      for (const observer of observers) observer(changes)
    }
  }
}
