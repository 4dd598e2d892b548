/**
 * Garbage: blobs that the state no longer refers to, and the leases that delay their deletion.
 *
 * A snapshot has a lease on the blobs that it reads. A blob is deleted once the commit that removes the last reference
 * is durable, no lease is on it, and the grace time for readers in other processes has passed.
 *
 * @internal
 */
export interface Garbage {
  /** Leases the blobs until the returned function is called. */
  readonly hold: (keys: ReadonlyArray<string>) => () => void
  /** Notes blobs that are no longer referenced. */
  readonly add: (keys: ReadonlyArray<string>, now: number) => void
  /** Takes the keys that may be deleted now: those added at or before `addedBy` without a lease. */
  readonly take: (addedBy: number) => Array<string>
  /** Adds keys again whose deletion failed. */
  readonly putBack: (keys: ReadonlyArray<string>) => void
  /** How many blobs wait. */
  readonly size: () => number
  /** The blobs that wait. */
  readonly keys: () => Array<string>
  readonly has: (key: string) => boolean
}

export const make = (): Garbage => {
  const held = new Map<string, number>()
  const waiting = new Map<string, number>()

  const release = (keys: ReadonlyArray<string>) => {
    for (const key of keys) {
      const count = held.get(key)!
      if (count === 1) held.delete(key)
      else held.set(key, count - 1)
    }
  }

  return {
    hold: (keys) => {
      for (const key of keys) held.set(key, (held.get(key) ?? 0) + 1)
      let isHeld = true
      return () => {
        if (isHeld) release(keys)
        isHeld = false
      }
    },
    add: (keys, now) => {
      for (const key of keys) waiting.set(key, now)
    },
    take: (addedBy) => {
      const keys = [...waiting].filter(([key, added]) => added <= addedBy && !held.has(key)).map(([key]) => key)
      for (const key of keys) waiting.delete(key)
      return keys
    },
    putBack: (keys) => {
      for (const key of keys) waiting.set(key, 0)
    },
    size: () => waiting.size,
    keys: () => [...waiting.keys()],
    has: (key) => waiting.has(key)
  }
}
