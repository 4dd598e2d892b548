/**
 * The sum of the diffs of equal rows: exact, whatever it comes to on the way.
 *
 * Only the sum itself has to be a safe integer. So the order in which rows are summed never decides whether they can be
 * merged.
 *
 * @internal
 */
import { ValueOutOfRange } from "../PersistError.ts"

const beyond = Number.MAX_SAFE_INTEGER + 1

export class DiffSum {
  private low = 0
  /** How many times 2^53 has been taken out of `low` to keep it a safe integer. */
  private carried = 0

  set(diff: number): void {
    this.low = diff
    this.carried = 0
  }

  add(diff: number): void {
    const sum = this.low + diff
    if (Number.isSafeInteger(sum)) this.low = sum
    else this.carry(diff)
  }

  /** The sum. Throws `ValueOutOfRange` where it cannot be stored. */
  value(): number {
    if (this.carried === 0) return this.low
    const sum = this.carried * beyond + this.low
    if (Number.isSafeInteger(sum)) return sum
    throw new ValueOutOfRange({ what: "a sum of diffs", detail: "it is no integer within 2^53 - 1" })
  }

  /** Both have the same sign here. */
  private carry(diff: number): void {
    const direction = Math.sign(diff)
    this.carried += direction
    this.low = this.low - direction * beyond + diff
  }
}

/** Whether the sum of two diffs can be stored. */
export const fits = (a: number, b: number): boolean => Number.isSafeInteger(a + b)
