/**
 * Pins on the log: positions that listeners still have to read.
 *
 * A pin prevents the truncation of the log, so that a slow listener costs disk space but no memory. The number of bytes
 * between a pin and the end of the log is limited. Beyond the limit the pin expires, and its listener fails with
 * `HoldExpired`.
 *
 * @internal
 */
export interface LogPin {
  /** Moves on to a later position. */
  readonly advance: (position: number) => void
  readonly isExpired: () => boolean
  readonly release: () => void
}

export interface LogPins {
  readonly hold: (position: number) => LogPin
  /** Counts bytes appended to the log. */
  readonly appended: (bytes: number) => void
  /** The first position that must be kept, after expiring the pins that keep too much. */
  readonly lowest: () => number
}

interface Pin {
  position: number
  /** The count of bytes appended when it was at this position. */
  appended: number
  isExpired: boolean
}

export const make = (maxBytes: number): LogPins => {
  const holds = new Set<Pin>()
  let total = 0

  return {
    hold: (position) => {
      const held: Pin = { position, appended: total, isExpired: false }
      holds.add(held)
      return {
        advance: (to) => {
          held.position = to
          held.appended = total
        },
        isExpired: () => held.isExpired,
        release: () => void holds.delete(held)
      }
    },
    appended: (bytes) => {
      total += bytes
    },
    lowest: () => {
      let lowest = Infinity
      for (const held of holds) {
        if (total - held.appended > maxBytes) {
          held.isExpired = true
          holds.delete(held)
        } else lowest = Math.min(lowest, held.position)
      }
      return lowest
    }
  }
}
