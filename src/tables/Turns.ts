/**
 * Turns on keys, and on ranges of keys, that transactions contend for.
 *
 * A transaction that has lost on a key or a range takes its turn on it before it runs again, and one whose first read is
 * of such a key, or of a range that overlaps, waits for its turn at once. So each of many transactions runs once or
 * twice, and none starves. A transaction waits for one turn at most, while it has none: there is no deadlock. A turn is
 * a courtesy: the owner validates every transaction all the same.
 *
 * @internal
 */
import { Deferred, Effect, Exit } from "effect"
import * as Compare from "../batch/Compare.ts"
import { includes, type KeyRange } from "../engine/Transaction.ts"

/** A transaction that has waited for so long reads without its turn. */
const patience = "1 second"

/** A queue of transactions, of which the first one runs. */
export class Turn {
  private readonly waiting: Array<Deferred.Deferred<void>> = []
  private isTaken = false
  private readonly ended: () => void

  constructor(ended: () => void) {
    this.ended = ended
  }

  /** Waits for the turn. Calls `taken` when it is the caller's, who must release it then. */
  take(taken: () => void): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (!this.isTaken) {
        this.isTaken = true
        taken()
        return Effect.void
      }
      const mine = Deferred.makeUnsafe<void>()
      this.waiting.push(mine)
      return Effect.uninterruptibleMask((restore) =>
        Effect.flatMap(Effect.exit(restore(Effect.timeoutOption(Deferred.await(mine), patience))), (exit) => {
          if (Deferred.isDoneUnsafe(mine)) taken()
          else this.waiting.splice(this.waiting.indexOf(mine), 1)
          return Exit.isFailure(exit) ? Effect.failCause(exit.cause) : Effect.void
        })
      )
    })
  }

  /** Hands the turn to the one who has waited longest. */
  release(): void {
    const next = this.waiting.shift()
    if (next !== undefined) {
      Deferred.doneUnsafe(next, Exit.void)
      return
    }
    this.isTaken = false
    this.ended()
  }
}

interface Contended {
  range: KeyRange
  readonly turn: Turn
}

/** Turns on the keys of one table. They exist as long as somebody has them. */
export class Turns {
  private readonly keys = new Map<string, Turn>()
  private ranges: ReadonlyArray<Contended> = []

  /** The turn that a read of the key waits for, if others contend for it. */
  over({ bytes, id }: { readonly bytes: Uint8Array; readonly id: string }): Turn | undefined {
    if (this.keys.size === 0 && this.ranges.length === 0) return undefined
    return this.keys.get(id) ?? this.ranges.find(({ range }) => includes(range, bytes))?.turn
  }

  /** The same for a read of a range. */
  overRange(range: KeyRange): Turn | undefined {
    return this.ranges.find((each) => overlap(each.range, range))?.turn
  }

  /** The turn on a key, which the caller takes at once. */
  ofKey(id: string): Turn {
    const known = this.keys.get(id)
    if (known !== undefined) return known
    const turn: Turn = new Turn(() => void (this.keys.get(id) === turn && this.keys.delete(id)))
    this.keys.set(id, turn)
    return turn
  }

  /** The same for a range. Ranges that overlap have one turn. */
  ofRange(range: KeyRange): Turn {
    const known = this.ranges.find((each) => overlap(each.range, range))
    if (known !== undefined) {
      known.range = hull([known.range, range])
      return known.turn
    }
    const turn: Turn = new Turn(() => void (this.ranges = this.ranges.filter((each) => each.turn !== turn)))
    this.ranges = [...this.ranges, { range, turn }]
    return turn
  }
}

const overlap = (a: KeyRange, b: KeyRange): boolean => isBefore(a.from, b.to) && isBefore(b.from, a.to)

const isBefore = (from: Uint8Array | undefined, to: Uint8Array | undefined): boolean =>
  from === undefined || to === undefined || Compare.compareBytes(from, to) < 0

/** The range from the beginning of the first to the end of the last. */
export const hull = (ranges: ReadonlyArray<KeyRange>): KeyRange => ({
  from: outermost(ranges.map(({ from }) => from), -1),
  to: outermost(ranges.map(({ to }) => to), 1)
})

/** The least of the bounds, or the greatest. An open one is either. */
const outermost = (bounds: ReadonlyArray<Uint8Array | undefined>, sign: -1 | 1): Uint8Array | undefined =>
  bounds.reduce((a, b) =>
    a === undefined || b === undefined ? undefined : sign * Compare.compareBytes(a, b) >= 0 ? a : b
  )
