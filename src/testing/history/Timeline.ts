/**
 * A value that only grows, as it was observed over time: the greatest value that was certain before a moment.
 *
 * @internal
 */
export class Timeline {
  private readonly facts: Array<{ readonly at: number; readonly value: number }> = []
  private isSorted = true

  add(at: number, value: number): void {
    this.facts.push({ at, value })
    this.isSorted = false
  }

  /** The greatest value added before a moment; 0 if there is none. */
  before(moment: number): number {
    return this.greatest((at) => at < moment)
  }

  /** The greatest value added at a moment or before. */
  upTo(moment: number): number {
    return this.greatest((at) => at <= moment)
  }

  private greatest(counts: (at: number) => boolean): number {
    if (!this.isSorted) this.sort()
    let low = 0
    let high = this.facts.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (counts(this.facts[middle]!.at)) low = middle + 1
      else high = middle
    }
    return low === 0 ? 0 : this.facts[low - 1]!.value
  }

  /** By moment, each with the greatest value up to it. */
  private sort(): void {
    let greatest = 0
    const sorted = this.facts.toSorted((a, b) => a.at - b.at).map(({ at, value }) => {
      greatest = Math.max(greatest, value)
      return { at, value: greatest }
    })
    this.facts.splice(0, Infinity, ...sorted)
    this.isSorted = true
  }
}

/** A timeline for each name. */
export class Timelines<Name> {
  private readonly timelines = new Map<Name, Timeline>()

  of(name: Name): Timeline {
    const known = this.timelines.get(name)
    if (known !== undefined) return known
    const made = new Timeline()
    this.timelines.set(name, made)
    return made
  }
}
