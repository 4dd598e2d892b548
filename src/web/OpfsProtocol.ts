/**
 * The messages between a page and the worker that changes files for it.
 *
 * @internal
 */
import type { Failure } from "./Failure.ts"
import type { Host } from "./OpfsHost.ts"

/** The first message: the store whose files are meant. */
export interface Begin {
  readonly store: string
}

/** A call of the host, by its number. */
export interface Call {
  readonly id: number
  readonly method: keyof Host
  readonly args: ReadonlyArray<unknown>
}

/** What became of a call. */
export type Answer =
  | { readonly id: number; readonly _tag: "Done"; readonly value: unknown }
  | { readonly id: number; readonly _tag: "Failed"; readonly failure: Failure }
