/**
 * Observers: functions that are called with every commit when it becomes visible, before its commands are acknowledged.
 * The row cache of tables is one.
 *
 * They are called on the owner's fiber, so that they must be fast, and must not fail.
 *
 * @internal
 */
import type { Change } from "../engine/Commit.ts"

/** Receives a commit, or `undefined` if commits were missed. */
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
