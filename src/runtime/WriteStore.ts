/**
 * What changing a store needs: commands, and the maintenance that is asked for.
 *
 * @internal
 */
import { Effect, type Request } from "effect"
import type { Target } from "../engine/Stage.ts"
import {
  type CollectionDestroyed,
  ReadOnly,
  type RuntimeShutdown,
  type UnknownCollection,
  type ValueOutOfRange
} from "../PersistError.ts"
import type { Command, Failure } from "./Command.ts"
import type { Erased } from "./Eraser.ts"
import type { Reply } from "./Mailbox.ts"

export interface WriteStore {
  /** Appends a command to the order of commands. The reply comes later. */
  readonly offer: <R extends Command>(request: R) => Effect.Effect<Reply<R>, RuntimeShutdown | ReadOnly>
  /** Appends a command to the order of commands, and waits for the reply. */
  readonly submit: <R extends Command>(
    request: R
  ) => Effect.Effect<Request.Success<R>, Request.Error<R> | RuntimeShutdown | ReadOnly>
  /** Whether commands are waiting for the runtime. */
  readonly isBusy: () => boolean
  /** Rewrites a collection into as few bytes as its frontiers allow, now. */
  readonly compact: (name: string) => Effect.Effect<void, Failure | UnknownCollection | ValueOutOfRange>
  /** Removes a key from a collection's history, and its bytes from the storage. */
  readonly erase: (
    target: Target,
    key: Uint8Array
  ) => Effect.Effect<Erased, Failure | CollectionDestroyed | ValueOutOfRange>
  /** Runs the maintenance that is due, now. */
  readonly maintain: Effect.Effect<void, Failure | ValueOutOfRange>
}

export const refuse = (operation: string): Effect.Effect<never, ReadOnly> => Effect.fail(new ReadOnly({ operation }))

/** Of a store that this process only reads. */
export const refusing: WriteStore = {
  offer: ({ _tag }) => refuse(_tag),
  submit: ({ _tag }) => refuse(_tag),
  isBusy: () => false,
  compact: () => refuse("compact"),
  erase: () => refuse("erase"),
  maintain: refuse("maintain")
}
