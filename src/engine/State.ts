/**
 * The state of a store: the fold of its log.
 *
 * The writer, a follower in another process and recovery all fold the same commits with `apply`. So recovery yields
 * exactly the state that the writer had.
 *
 * @internal
 */
import { Corrupt } from "../PersistError.ts"
import * as Collection from "./Collection.ts"
import type { Change, Commit, Registration, Rollup } from "./Commit.ts"

export interface State {
  /** The highest sequence number that is durable. */
  seqNo: number
  /** One more than the greatest collection id ever given. */
  nextCollection: number
  /** The log position after the last commit folded. */
  position: number
  /** The newest rollup. */
  rollup: Rollup | undefined
  /** Rows in memory of log positions before it are in a rollup, and their log entries may be truncated. */
  logFrom: number
  readonly collections: Map<number, Collection.Collection>
  /** The upper of all collections on the timeline. */
  readonly timeline: Collection.Seal
  /** Bytes of the rows in memory of all collections: kept as a sum, because each commit needs it. */
  memoryBytes: number
  /** Live collections by name. */
  readonly names: Map<string, number>
  /** Names of destroyed collections that were not created again, with the last id. */
  readonly destroyed: Map<string, number>
}

export const make = (): State => ({
  seqNo: 0,
  nextCollection: 0,
  position: 0,
  rollup: undefined,
  logFrom: 0,
  collections: new Map(),
  timeline: { upper: 0 },
  memoryBytes: 0,
  names: new Map(),
  destroyed: new Map()
})

/** Keys of the blobs that the state refers to. */
export const blobKeys = (self: State): Set<string> => {
  const keys = new Set<string>()
  for (const collection of self.collections.values()) for (const key of Collection.blobKeys(collection)) keys.add(key)
  if (self.rollup !== undefined) keys.add(self.rollup.key)
  return keys
}

/**
 * Folds the commit at the next position, and returns the keys of the blobs that it has made garbage. Throws `Corrupt`
 * where the commit contradicts the state: no runtime writes such a commit.
 */
export const apply = (self: State, commit: Commit, location: string): Array<string> => {
  const garbage: Array<string> = []
  for (const change of commit.changes) {
    const violation = applyChange(self, commit, change, garbage)
    if (violation !== undefined) {
      throw new Corrupt({
        location,
        offset: 0,
        detail: `the ${change._tag} at log position ${self.position} contradicts the entries before it: ${violation}`
      })
    }
  }
  self.seqNo = Math.max(self.seqNo, commit.seqNo)
  self.position++
  return garbage
}

/**
 * Puts the rows of an entry before the newest rollup back into memory, if they are neither in a batch nor in the
 * rollup. All other changes of the entry are in the rollup.
 */
export const restoreRows = (self: State, position: number, commit: Commit): void => {
  for (const change of commit.changes) {
    if (change._tag !== "Write") continue
    const collection = self.collections.get(change.collection)
    if (collection === undefined || position < collection.chunksFrom) continue
    remember(self, collection, Collection.chunk(position, commit.seqNo, change.columns))
  }
}

/** A collection without rows. */
export const collectionOf = (self: State, registration: Registration): Collection.Collection =>
  Collection.make(registration, registration.isOnTimeline ? self.timeline : undefined)

/** Adds rows to those in memory. */
export const remember = (self: State, collection: Collection.Collection, added: Collection.MemoryChunk): void => {
  Collection.append(collection, added)
  self.memoryBytes += added.bytes
}

const applyChange = (self: State, commit: Commit, change: Change, garbage: Array<string>): string | undefined => {
  switch (change._tag) {
    case "Register": {
      const { id, name } = change.registration
      if (id < self.nextCollection) return "the collection id is taken"
      if (self.names.has(name)) return "the name is taken"
      self.nextCollection = id + 1
      self.names.set(name, id)
      self.destroyed.delete(name)
      self.collections.set(id, collectionOf(self, change.registration))
      return undefined
    }
    case "Timeline":
      if (change.upper < self.timeline.upper) return "the timeline moves back"
      self.timeline.upper = change.upper
      return undefined
    case "Rollup": {
      if (change.position > self.position) return "the rollup covers a position that is not written yet"
      if (change.logFrom > change.position || change.logFrom < self.logFrom) {
        return "the rollup lets the wrong part of the log go"
      }
      if (self.rollup !== undefined) garbage.push(self.rollup.key)
      self.rollup = change
      self.logFrom = change.logFrom
      return undefined
    }
  }
  const collection = self.collections.get(change.collection)
  if (collection === undefined) return "there is no such collection"
  switch (change._tag) {
    case "Destroy": {
      const { id, name } = collection.registration
      for (const key of Collection.blobKeys(collection)) garbage.push(key)
      self.collections.delete(id)
      self.names.delete(name)
      self.destroyed.set(name, id)
      self.memoryBytes -= collection.memoryBytes
      return undefined
    }
    case "Write": {
      const added = Collection.chunk(self.position, commit.seqNo, change.columns)
      if (added.minTime < collection.upper) return "an update lies below the seal"
      remember(self, collection, added)
      return undefined
    }
    case "Seal":
      if (collection.registration.isOnTimeline) return "the collection is sealed by the timeline alone"
      if (change.upper < collection.upper) return "the seal moves back"
      collection.seal.upper = change.upper
      return undefined
    case "AllowCompaction":
      if (change.since < collection.since) return "the since moves back"
      collection.since = change.since
      return undefined
    case "Evolve":
      Collection.evolve(collection, change)
      return undefined
    case "Swap": {
      const violation = Collection.swapViolation(collection, change)
      if (violation !== undefined) return violation
      const before = collection.memoryBytes
      for (const key of Collection.swap(collection, change)) garbage.push(key)
      self.memoryBytes += collection.memoryBytes - before
      return undefined
    }
  }
}
