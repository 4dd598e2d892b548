/**
 * The events of a simulation, as a running hash: two runs with the same hash had the same history.
 *
 * @internal
 */
export interface Trace {
  /** An integer; bits beyond 32 do not count. */
  readonly number: (value: number) => void
  readonly text: (value: string) => void
  /** 64 bits in hexadecimal. */
  readonly hash: () => string
}

export const make = (): Trace => {
  let a = 0x2545f491
  let b = 0x9e3779b9
  const number = (value: number): void => {
    a = Math.imul(a ^ value, 0x85ebca6b)
    a = (a << 13) | (a >>> 19)
    b = Math.imul(b ^ value, 0xc2b2ae35)
    b = ((b << 17) | (b >>> 15)) + a | 0
  }
  return {
    number,
    text: (value) => {
      number(value.length)
      for (let i = 0; i < value.length; i++) number(value.charCodeAt(i))
    },
    hash: () => hex(mixed(a)) + hex(mixed(b))
  }
}

const mixed = (value: number): number => {
  const half = Math.imul(value ^ (value >>> 16), 0x7feb352d)
  return Math.imul(half ^ (half >>> 15), 0x846ca68b)
}

const hex = (value: number): string => (value >>> 0).toString(16).padStart(8, "0")
