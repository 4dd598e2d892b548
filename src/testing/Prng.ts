/**
 * Seeded pseudo-random numbers (mulberry32, by Tommy Ettinger), so that a failing test can be repeated.
 *
 * @internal
 */
export interface Prng {
  /** An integer in [0, 2^32). */
  readonly u32: () => number
  /** An integer in [0, below). */
  readonly int: (below: number) => number
  /** True with this probability. */
  readonly chance: (probability: number) => boolean
  readonly pick: <A>(items: ReadonlyArray<A>) => A
  readonly bytes: (length: number) => Uint8Array
}

/** The seed of a separate stream: draws from one stream do not change another. */
export const split = (seed: number, stream: number): number =>
  make(Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(stream + 1, 0xc2b2ae35)).u32()

export const make = (seed: number): Prng => {
  let state = seed | 0
  const u32 = (): number => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return (mixed ^ (mixed >>> 14)) >>> 0
  }
  const int = (below: number): number => Math.floor(u32() / 4_294_967_296 * below)
  return {
    u32,
    int,
    chance: (probability) => u32() < probability * 4_294_967_296,
    pick: (items) => items[int(items.length)]!,
    bytes: (length) => Uint8Array.from({ length }, () => int(256))
  }
}
