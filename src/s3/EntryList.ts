/**
 * The entry list: the records of a log by their numbers, as far as this opener knows them.
 *
 * Records are `log/<number>`, created if absent, so that a number is used once. An anchor `anchors/<number>` names the
 * record that the log begins with. Because of two invariants, every question can be answered by reads of single
 * objects, and a listing is only a hint:
 *
 * - An anchor is deleted before any record at or behind it. If an anchor still exists after the records were read, none
 *   of them was missing because of a deletion.
 * - A record that begins an epoch is never deleted. A writer that was stopped therefore always finds its next number
 *   taken, however much was truncated meanwhile; and a log whose record 0 is missing is new.
 *
 * @internal
 */
import { Effect, Option, Schedule, Semaphore, Stream } from "effect"
import { type StorageError, Unavailable } from "../PersistError.ts"
import { decode } from "../Pure.ts"
import type { Bucket } from "./Bucket.ts"
import * as KnownRecords from "./KnownRecords.ts"
import * as Record from "./Record.ts"

export interface EntryList extends Pick<KnownRecords.KnownRecords, "anchor" | "headers" | "next" | "upper" | "push"> {
  /** Reads the current state of the log. */
  readonly refresh: Effect.Effect<void, StorageError>
  /**
   * Looks for one more record, and for the anchor, at once. Returns whether anything has changed: a hint, since they
   * may race.
   */
  readonly peek: Effect.Effect<boolean, StorageError>
  /** Whether all records still exist that existed when this opener last read the state of the log. */
  readonly isIntact: Effect.Effect<boolean, StorageError>
  /** Creates the first record of a new log, with its anchor. False if there is one. */
  readonly beginNew: (record: Effect.Effect<boolean, StorageError>) => Effect.Effect<boolean, StorageError>
  /** Makes the log begin with another record, and deletes those before it. */
  readonly forget: (anchor: Record.Anchor) => Effect.Effect<void, StorageError>
}

/** How many records are read, or deleted, at the same time. */
const width = 16

/** How long to wait for a listing to become current. */
const patience = Schedule.exponential("20 millis").pipe(Schedule.jittered, Schedule.upTo({ times: 6 }))

const pad = (number: number): string => String(number).padStart(16, "0")

const anchors = "anchors/"
const records = "log/"

export const recordKey = (number: number): string => records + pad(number)

const anchorKey = (number: number): string => anchors + pad(number)

export const make = (bucket: Bucket): EntryList => {
  const known = KnownRecords.make()
  const one = Semaphore.makeUnsafe(1)

  /** Reads the records up to the first one that does not exist. */
  const walk = Effect.gen(function*() {
    for (let ahead = 1;; ahead = Math.min(width, ahead * 2)) {
      const from = known.next()
      const found = yield* Effect.forEach(
        Array.from({ length: ahead }, (_, i) => from + i),
        (number) => headerOf(bucket, number),
        { concurrency: width }
      )
      for (const header of found) {
        if (header === undefined) return
        known.push(header)
      }
    }
  })

  const refresh = one.withPermit(Effect.gen(function*() {
    do {
      const found = known.anchor() ??
        (yield* Effect.retry(locate(bucket), { schedule: patience, while: isUnavailable }))
      if (found === undefined) return
      known.begin(found)
      yield* walk
      if (yield* isThere(bucket, anchorKey(found.number))) return
      known.lose()
    } while (true)
  }))

  const peek = one.withPermit(Effect.gen(function*() {
    const anchor = known.anchor()
    const [header, isAnchored] = yield* Effect.all(
      [headerOf(bucket, known.next()), isThere(bucket, anchorKey(anchor?.number ?? 0))],
      { concurrency: 2 }
    )
    if (header !== undefined && anchor !== undefined) known.push(header)
    return header !== undefined || isAnchored !== (anchor !== undefined)
  }))

  const forget = Effect.fnUntraced(function*(to: Record.Anchor) {
    yield* bucket.create(anchorKey(to.number), Record.encodeAnchor(to))
    const before = yield* keysBefore(bucket, anchors, anchorKey(to.number))
    const old = new Set(before.map(({ key }) => key))
    const anchor = known.anchor()
    if (anchor !== undefined && anchor.number < to.number) old.add(anchorKey(anchor.number))
    yield* removeAll(bucket, old)
    known.begin(to)
    // Objects that remain after a failure here are deleted when the log is truncated the next time.
    const forgotten = yield* keysBefore(bucket, records, recordKey(to.number))
    yield* removeAll(bucket, forgotten.filter(({ bytes }) => bytes > Record.headerBytes).map(({ key }) => key))
  })

  const beginNew = Effect.fnUntraced(function*(record: Effect.Effect<boolean, StorageError>) {
    const isAnchored = yield* bucket.create(anchorKey(0), Record.encodeAnchor({ number: 0, position: 0 }))
    const isCreated = yield* record
    // The log was begun, and its first anchor deleted, while this opener was stopped: the anchor must not come back.
    if (isAnchored && !isCreated) yield* bucket.delete(anchorKey(0))
    return isCreated
  })

  return {
    refresh,
    peek,
    isIntact: Effect.suspend(() => isThere(bucket, anchorKey(known.anchor()?.number ?? 0))),
    beginNew,
    anchor: known.anchor,
    headers: known.headers,
    next: known.next,
    upper: known.upper,
    push: known.push,
    forget: (to) => one.withPermit(forget(to))
  }
}

const isUnavailable = ({ _tag }: StorageError): boolean => _tag === "Unavailable"

export const headerOf = (bucket: Bucket, number: number): Effect.Effect<Record.Header | undefined, StorageError> =>
  Effect.flatMap(
    bucket.get(recordKey(number), { offset: 0, length: Record.headerBytes }),
    (bytes) =>
      Option.isNone(bytes)
        ? Effect.undefined
        : decode(() => Record.decodeHeader(bytes.value, bucket.location + recordKey(number), number))
  )

const isThere = (bucket: Bucket, key: string): Effect.Effect<boolean, StorageError> =>
  Effect.map(bucket.get(key), Option.isSome)

/** The newest anchor; none where there is no log yet. */
const locate = Effect.fnUntraced(function*(bucket: Bucket) {
  const newest = yield* Stream.runLast(bucket.list(anchors))
  const isListed = Option.isSome(newest)
  if (!isListed && !(yield* isThere(bucket, recordKey(0)))) return undefined
  const key = isListed ? newest.value.key : anchorKey(0)
  const bytes = yield* bucket.get(key)
  if (Option.isSome(bytes)) return yield* decode(() => Record.decodeAnchor(bytes.value, bucket.location + key))
  return yield* new Unavailable({ operation: "looking for the log's beginning", detail: "the listing lags behind" })
})

const keysBefore = (bucket: Bucket, folder: string, end: string) =>
  Stream.runCollect(Stream.takeWhile(bucket.list(folder), ({ key }) => key < end))

const removeAll = (bucket: Bucket, keys: Iterable<string>) =>
  Effect.forEach(keys, (key) => bucket.delete(key), { concurrency: width, discard: true })
