/**
 * The log in IndexedDB: one record for each entry, and a head with the epoch and the bounds.
 *
 * Each append is one transaction, which compares the epoch in the head with its own. So transactions decide who may write,
 * and the Web Lock only says it early.
 *
 * @internal
 */
import { Effect, Random, type Scope, Stream } from "effect"
import { Corrupt, Fenced, type Locked, type StorageError, UnsupportedFormat } from "../PersistError.ts"
import * as Platform from "../Platform.ts"
import type { Bounds, Entry, Log, Writer } from "../storage/Log.ts"
import * as LogRules from "../storage/LogRules.ts"
import * as WriterStatus from "../storage/WriterStatus.ts"
import type * as Hints from "./Hints.ts"
import { type Body, type IndexedDb, settled } from "./IndexedDb.ts"
import type { TabLock } from "./TabLock.ts"

const format = 1
const headKey = "head"
/** Entries that one transaction reads. */
const pageEntries = 64

interface Head extends Bounds {
  readonly format: number
  readonly epoch: number
  /** Who has raised the epoch: a number that each attempt to do so draws. */
  readonly claim: string
}

/** An entry as it is stored, under its position. */
interface Stored {
  readonly epoch: number
  readonly crc: number
  readonly bytes: Uint8Array
}

const noHead: Head = { format, epoch: 0, claim: "", lower: 0, upper: 0 }

const headOf = async (store: Parameters<Body<unknown>>[0]): Promise<Head> =>
  ((await settled(store("log").get(headKey))) as Head | undefined) ?? noHead

export interface Options {
  readonly database: IndexedDb
  readonly lock: TabLock
  readonly hints: Hints.Hints
}

export const make = ({ database, hints, lock }: Options): Log["Service"] => {
  const { change, location, read } = database
  const reading = "reading the log"

  const head = Effect.flatMap(
    read(reading, ["log"], headOf),
    (found) =>
      found.format > format
        ? Effect.fail(new UnsupportedFormat({ location, found: found.format, supported: format }))
        : Effect.succeed(found)
  )
  const bounds = Effect.map(head, ({ lower, upper }): Bounds => ({ lower, upper }))

  /** Raises the epoch, with `after` only if that is the epoch. */
  const raise = Effect.fnUntraced(function*(after: number | undefined, claim: string) {
    yield* head
    const raised = yield* change("acquiring the log", ["log"], async (store) => {
      const found = await headOf(store)
      if (after !== undefined && found.epoch !== after) return found
      const next: Head = { ...found, epoch: found.epoch + 1, claim }
      store("log").put(next, headKey)
      return next
    })
    return raised.claim === claim ? raised : yield* new Fenced({ epoch: after ?? 0, current: raised.epoch })
  })

  const acquire = Effect.fnUntraced(function*(
    after: number | undefined
  ): Effect.fn.Return<Writer, StorageError | Locked, Scope.Scope> {
    yield* lock.hold
    const claim = `${yield* Random.nextInt} ${yield* Random.nextInt}`
    const { epoch, lower, upper } = yield* raise(after, claim).pipe(
      // Whether the epoch was raised is unknown: then it is this opener that has raised it.
      Effect.catchTag(
        "Indeterminate",
        (error) => Effect.flatMap(head, (found) => found.claim === claim ? Effect.succeed(found) : Effect.fail(error))
      )
    )
    hints.tell()
    return yield* makeWriter({ database, hints, epoch, bounds: { lower, upper } })
  })

  const page = (from: number): Effect.Effect<ReadonlyArray<Entry>, StorageError> =>
    read(reading, ["log", "entries"], async (store): Promise<Effect.Effect<ReadonlyArray<Entry>, StorageError>> => {
      const { lower, upper } = await headOf(store)
      if (from < lower) return Effect.fail(LogRules.truncated(from, lower))
      if (from >= upper) return Effect.succeed([])
      const range = IDBKeyRange.bound(from, Math.min(upper, from + pageEntries) - 1)
      const found = (await settled(store("entries").getAll(range))) as ReadonlyArray<Stored>
      return entriesOf(location, found, from, Math.min(upper, from + pageEntries) - from)
    }).pipe(Effect.flatten)

  const readFrom = (from: number): Stream.Stream<Entry, StorageError> =>
    Stream.unwrap(Effect.map(bounds, ({ upper }) =>
      from >= upper
        // Below the lower, the first page says so.
        ? Stream.fromEffect(page(from)).pipe(Stream.flatMap(() => Stream.empty))
        : Stream.range(0, Math.ceil((upper - from) / pageEntries) - 1).pipe(
          Stream.mapEffect((number) => page(from + number * pageEntries)),
          Stream.flattenIterable,
          Stream.takeWhile(({ position }) => position < upper)
        )))

  return {
    location,
    acquire: acquire(undefined),
    acquireAfter: acquire,
    bounds,
    read: readFrom,
    changes: hints.changes(Effect.map(bounds, ({ upper }) => upper)),
    verify: Stream.unwrap(Effect.map(bounds, ({ lower }) => Stream.drain(readFrom(lower)))).pipe(
      Stream.catchTag(["Corrupt", "UnsupportedFormat"], (problem) => Stream.make(problem))
    )
  }
}

/** The entries at consecutive positions from `from` on, or what is wrong with them. */
const entriesOf = (
  location: string,
  found: ReadonlyArray<Stored>,
  from: number,
  count: number
): Effect.Effect<ReadonlyArray<Entry>, Corrupt> => {
  const damaged = (position: number, detail: string) =>
    Effect.fail(new Corrupt({ location: `${location}, entry ${position}`, offset: 0, detail }))
  const entries: Array<Entry> = []
  for (const { bytes, crc, epoch } of found) {
    const position = from + entries.length
    if (Platform.crc32(bytes) !== crc) return damaged(position, "its checksum is wrong")
    entries.push({ position, epoch, bytes })
  }
  return entries.length === count ? Effect.succeed(entries) : damaged(from, "entries from here on are missing")
}

interface WriterOptions {
  readonly database: IndexedDb
  readonly hints: Hints.Hints
  readonly epoch: number
  readonly bounds: Bounds
}

const makeWriter: (options: WriterOptions) => Effect.Effect<Writer, never, Scope.Scope> = Effect.fnUntraced(
  function*({ bounds, database: { change, location }, epoch, hints }) {
    const status = yield* WriterStatus.make
    let upper = bounds.upper

    const append = (entries: ReadonlyArray<Uint8Array>) =>
      change(
        "appending to the log",
        ["log", "entries"],
        async (store): Promise<Effect.Effect<number, StorageError>> => {
          const head = await headOf(store)
          if (head.epoch !== epoch) return Effect.fail(new Fenced({ epoch, current: head.epoch }))
          if (head.upper !== upper) {
            const detail = `the log ends at ${head.upper}, but its writer has come to ${upper}`
            return Effect.fail(new Corrupt({ location, offset: 0, detail }))
          }
          entries.forEach((bytes, i) => {
            const stored: Stored = { epoch, crc: Platform.crc32(bytes), bytes: bytes.slice() }
            store("entries").put(stored, upper + i)
          })
          const moved: Head = { ...head, upper: upper + entries.length }
          store("log").put(moved, headKey)
          return Effect.succeed(moved.upper)
        }
      ).pipe(
        Effect.flatten,
        Effect.tap((moved) =>
          Effect.sync(() => {
            upper = moved
            hints.tell()
          })
        )
      )

    const truncate = (before: number) =>
      change("truncating the log", ["log", "entries"], async (store) => {
        const head = await headOf(store)
        if (head.epoch !== epoch) return Effect.fail(new Fenced({ epoch, current: head.epoch }))
        const lower = Math.max(head.lower, Math.min(before, head.upper))
        store("entries").delete(IDBKeyRange.upperBound(lower, true))
        const moved: Head = { ...head, lower }
        store("log").put(moved, headKey)
        return Effect.void
      }).pipe(Effect.flatten)

    return WriterStatus.writerOf(status, { epoch, bounds, upper: () => upper, append, truncate })
  }
)
