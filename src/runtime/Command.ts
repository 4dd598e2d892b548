/**
 * Commands: what handles ask of the runtime, as typed requests.
 *
 * A command carries the type of its reply and of its errors, so that `submit` needs no cast and a new command no new
 * plumbing. Mutating commands are acknowledged once they are durable. Reads are answered at their position in the order
 * of commands.
 *
 * @internal
 */
import { Request } from "effect"
import type { Rows } from "../batch/Sheet.ts"
import type { CodecRef, Registration, Swap as SwapChange } from "../engine/Commit.ts"
import type { Mismatch, Requested } from "../engine/Evolution.ts"
import type { Rewrite } from "../engine/Plan.ts"
import type { ReadView } from "../engine/ReadView.ts"
import type { Conditional, Target } from "../engine/Stage.ts"
import type { State } from "../engine/State.ts"
import type { Transaction } from "../engine/Transaction.ts"
import type { Frontier, Timestamp } from "../Frontier.ts"
import type {
  CollectionDestroyed,
  Conflict,
  InvalidRequest,
  ReadOnly,
  RuntimeShutdown,
  StorageError,
  UnknownCollection,
  UpperMismatch,
  ValueOutOfRange
} from "../PersistError.ts"

/** What any command may fail with. */
export type Failure = StorageError | RuntimeShutdown | ReadOnly

/** Registers a collection, or finds it. An existing collection stays on or off the timeline. */
export class Register extends Request.TaggedClass("Register")<
  Requested & { readonly name: string; readonly recreate: boolean; readonly isOnTimeline: boolean },
  Registration,
  Failure | Mismatch | CollectionDestroyed | ValueOutOfRange
> {}

/** Destroys a collection. True if this command did it, false if it was destroyed before. */
export class Destroy
  extends Request.TaggedClass("Destroy")<{ readonly name: string }, boolean, Failure | UnknownCollection>
{}

/** Appends rows, to all collections or to none. */
export class Write extends Request.TaggedClass("Write")<
  { readonly targets: ReadonlyArray<Target & { readonly columns: Rows }> },
  number,
  Failure | InvalidRequest
> {}

/** Moves uppers, of all collections or of none. */
export class Seal extends Request.TaggedClass("Seal")<
  { readonly targets: ReadonlyArray<Target>; readonly upper: Frontier },
  number,
  Failure | InvalidRequest
> {}

/** Moves sinces, of all collections or of none. */
export class AllowCompaction extends Request.TaggedClass("AllowCompaction")<
  { readonly targets: ReadonlyArray<Target & { readonly since: Frontier }> },
  number,
  Failure | InvalidRequest
> {}

/** Appends rows and moves uppers, of all collections, or of none where one of them has another upper than is expected. */
export class CompareAndAppend extends Request.TaggedClass("CompareAndAppend")<
  { readonly targets: ReadonlyArray<Conditional> },
  number,
  Failure | InvalidRequest | UpperMismatch
> {}

/** Appends rows at the next time of the timeline, which is the reply, if nothing that was read has been written since. */
export class Transact extends Request.TaggedClass("Transact")<
  Transaction,
  Timestamp,
  Failure | InvalidRequest | Conflict | ValueOutOfRange
> {}

/** Completes a time for all collections on the timeline, whether or not anything is written at it. */
export class Advance extends Request.TaggedClass("Advance")<
  { readonly time: Timestamp },
  Timestamp,
  Failure | ValueOutOfRange
> {}

/** What a snapshot reads, and the cursor from which the commits that it does not contain can be read. */
export interface OpenedView {
  readonly view: ReadView
  readonly cursor: Cursor
  /** Releases the lease on the blobs. Idempotent. */
  readonly release: () => void
}

/** The point after the first `writes` writes to a collection in the commit at `position`. */
export interface Cursor {
  readonly position: number
  readonly writes: number
}

/**
 * Opens a read view of a collection at this position in the order of commands. Its blobs are leased until `release` is
 * called.
 */
export class OpenView extends Request.TaggedClass("OpenView")<
  { readonly target: Target },
  OpenedView,
  Failure | CollectionDestroyed
> {}

/** A collection's codecs and frontiers. `lower` is always 0. */
export interface Description {
  readonly name: string
  readonly id: number
  readonly key: CodecRef
  readonly value: CodecRef
  readonly lower: Frontier
  readonly upper: Frontier
  readonly since: Frontier
  /** Whether it is a table, whose times are those of the store's timeline. */
  readonly isOnTimeline: boolean
}

/** The reply to `Describe`. */
export const describe = (state: State): ReadonlyArray<Description> =>
  [...state.collections.values()]
    .map(({ registration: { id, isOnTimeline, key, name, value }, since, upper }) => ({
      id,
      name,
      key,
      value,
      lower: 0,
      upper,
      since,
      isOnTimeline
    }))
    .toSorted((a, b) => a.id - b.id)

/** Describes the live collections, in the order of their ids. */
export class Describe extends Request.TaggedClass("Describe")<{}, ReadonlyArray<Description>, Failure> {}

/** Applies a swap that maintenance has prepared. False if the state has moved on and it no longer fits. */
export class Swap extends Request.TaggedClass("Swap")<{ readonly change: SwapChange }, boolean, Failure> {}

/**
 * Rotates the log, and returns the rewrite that drops a key from all rows that a collection has of the entries before.
 * Both are one step: entries from then on come after the erasure.
 */
export class Erase extends Request.TaggedClass("Erase")<
  { readonly target: Target; readonly key: Uint8Array },
  Rewrite,
  Failure | CollectionDestroyed
> {}

/** Rotates the log: separates its entries from later ones. */
export class Rotate extends Request.TaggedClass("Rotate")<{}, void, Failure> {}

/** Commits the reference to a rollup that has been stored. */
export class Rollup extends Request.TaggedClass("Rollup")<
  { readonly key: string; readonly position: number; readonly logFrom: number },
  void,
  Failure
> {}

/** Commands that share a commit with others of their group. */
export type Grouped = Write | Seal | AllowCompaction | CompareAndAppend | Transact | Advance | OpenView

/** Commands that are executed on their own. */
export type Solo = Register | Destroy | Swap | Erase | Rotate | Rollup | Describe

export type Command = Grouped | Solo

/** A command that is missing here, or is on the wrong side, does not compile. */
const sharesCommit:
  & { readonly [Tag in Grouped["_tag"]]: true }
  & { readonly [Tag in Solo["_tag"]]: false } = {
    Write: true,
    Seal: true,
    AllowCompaction: true,
    CompareAndAppend: true,
    Transact: true,
    Advance: true,
    OpenView: true,
    Register: false,
    Destroy: false,
    Swap: false,
    Erase: false,
    Rotate: false,
    Rollup: false,
    Describe: false
  }

export const isGrouped = (command: Command): command is Grouped => sharesCommit[command._tag]
