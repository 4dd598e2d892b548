/**
 * What the workloads ask of an engine, be it Tidemark, a peer or the bare disk.
 */
import type { Batch } from "./Data.ts"

/** A key or a value as the engine hands it out: decoded, and the reader's own. */
export type Cell = string | Uint8Array

export type OnRow = (key: Cell, value: Cell, diff: number) => void

export interface Opening {
  readonly directory: string
  /** Whether what is acknowledged must be on disk. Engines that know no less are durable all the same. */
  readonly durable: boolean
  /** Keeps a million updates in the log, for recovery to read. */
  readonly wholeLog?: boolean
  /** Batches come at times of their own, which are complete with their batch. */
  readonly seals?: boolean
}

export interface Store {
  /** Resolves when the batch is durable. */
  readonly append: (batch: Batch) => Promise<unknown>
  /** Appends what `next` gives, `inFlight` at a time, if the engine's users have a better way for that than promises. */
  readonly pump?: (
    next: () => Batch | undefined,
    inFlight: number,
    acknowledged: (millis: number) => void
  ) => Promise<unknown>
  /** Hands out the consolidated contents as of a time. */
  readonly snapshot?: (asOf: number, onRow: OnRow) => Promise<unknown>
  /** Reads keys as of a time, one after the other; returns how many it found. */
  readonly gets?: (keys: ReadonlyArray<Buffer>, asOf: number) => Promise<number>
  /** Tells of each batch, or of several: the time of the last, how many rows, and a way to go through them. */
  readonly listen?: (onRows: (time: number, rows: number, each: (onRow: OnRow) => void) => void) => Promise<unknown>
  readonly allowCompaction?: (since: number) => Promise<unknown>
  /** Reaches the smallest state that it can. */
  readonly compact?: () => Promise<unknown>
  /** Updates, or rows, that are there. */
  readonly count?: () => Promise<number>
  /** Flushes so far, where the engine counts them. */
  readonly flushes?: () => Promise<number>
  /** Bytes it takes, where that is not the size of its directory. */
  readonly bytes?: () => Promise<number>
  readonly close: () => Promise<unknown>
}

export interface Engine {
  readonly name: string
  /** Its commits block the event loop: where writers do not wait for each other, a group committer stands before it. */
  readonly blocks?: boolean
  /** Makes what it reads of a batch, outside of what is timed. */
  readonly prepare: (batch: Batch) => unknown
  readonly open: (opening: Opening) => Promise<Store>
}

/** Appends what `next` gives, `inFlight` at a time, and tells of each how long it took. */
export const pump = async (
  store: Store,
  next: () => Batch | undefined,
  inFlight: number,
  acknowledged: (millis: number) => void
): Promise<void> => {
  if (store.pump !== undefined) return void await store.pump(next, inFlight, acknowledged)
  const writer = async () => {
    for (let batch = next(); batch !== undefined; batch = next()) {
      const start = performance.now()
      await store.append(batch)
      acknowledged(performance.now() - start)
    }
  }
  await Promise.all(Array.from({ length: inFlight }, writer))
}
