/**
 * The log in a bucket: acquiring it, reading it, noticing that it grew.
 *
 * An append is one record, created at the number after the last. To acquire the log is to create a record of a new
 * epoch there. The previous writer finds its next number taken, reads the record's epoch, and is fenced. Nothing else
 * decides which process may write, so that no clock and no lease has to be right.
 *
 * @internal
 */
import { Effect, Option, PubSub, Random, type Scope, Stream } from "effect"
import { type Corrupt, type StorageError, Unavailable, type UnsupportedFormat } from "../PersistError.ts"
import { decode } from "../Pure.ts"
import type { Bounds, Entry, Log } from "../storage/Log.ts"
import * as LogRules from "../storage/LogRules.ts"
import * as Polling from "../storage/Polling.ts"
import type { Bucket } from "./Bucket.ts"
import * as Claims from "./Claims.ts"
import * as EntryList from "./EntryList.ts"
import * as Probe from "./Probe.ts"
import * as Record from "./Record.ts"
import * as S3Writer from "./S3Writer.ts"

export interface Options {
  readonly poll: Polling.Options
}

/** Records that are read ahead. */
const readAhead = 8

export const make: (bucket: Bucket, options: Options) => Effect.Effect<Log["Service"], never, Scope.Scope> = Effect
  .fnUntraced(function*(bucket, options) {
    const chain = EntryList.make(bucket)
    const opener = BigInt.asUintN(64, BigInt(yield* Random.nextInt))
    const ticks = yield* Effect.acquireRelease(PubSub.sliding<void>(1), PubSub.shutdown)
    const onAppend = (): void => void PubSub.publishUnsafe(ticks, undefined)
    const claim = Claims.make(bucket, chain, opener)
    let isProbed = false
    const probe = Effect.suspend(() =>
      isProbed ? Effect.void : Effect.map(Probe.run(bucket, opener), () => void (isProbed = true))
    )

    const boundsNow = (): Bounds => ({ lower: chain.anchor()?.position ?? 0, upper: chain.upper() })

    /** The entries of the records that this opener knows. */
    const readKnown = (from: number): Stream.Stream<Entry, StorageError> => {
      const { lower } = boundsNow()
      if (from < lower) return Stream.fail(LogRules.truncated(from, lower))
      const wanted = chain.headers().filter(({ count, position }) => count > 0 && position + count > from)
      return Stream.fromArray(wanted).pipe(
        Stream.mapEffect((header) => entriesOf(bucket, chain, header, from), { concurrency: readAhead }),
        Stream.flattenIterable
      )
    }
    const readNew = (from: number) => Stream.unwrap(Effect.map(chain.refresh, () => readKnown(from)))

    const acquire = (after: number | undefined) =>
      probe.pipe(
        Effect.andThen(claim(after)),
        Effect.tap(() => Effect.sync(onAppend)),
        Effect.flatMap((claimed) => S3Writer.make({ bucket, chain, claim: claimed, onAppend }))
      )

    return {
      location: bucket.location,
      acquire: acquire(undefined),
      acquireAfter: acquire,
      bounds: Effect.map(chain.refresh, boundsNow),
      // Known records are already on their way to the reader while this checks whether there are more.
      read: (from) =>
        Stream.suspend(() => {
          if (chain.anchor() === undefined) return readNew(from)
          const upper = chain.upper()
          return Stream.concat(readKnown(from), Stream.suspend(() => readNew(Math.max(from, upper))))
        }),
      changes: Stream.merge(Stream.fromPubSub(ticks), polling(chain, options)),
      verify: Stream.unwrap(Effect.map(chain.refresh, () =>
        Stream.fromArray(chain.headers().slice()).pipe(
          Stream.mapEffect((header) => problemsOf(bucket, chain, header), { concurrency: readAhead }),
          Stream.flattenIterable
        )))
    }
  })

const entriesOf = Effect.fnUntraced(
  function*(bucket: Bucket, chain: EntryList.EntryList, header: Record.Header, from: number) {
    const { epoch, number, position } = header
    const key = EntryList.recordKey(number)
    const bytes = yield* bucket.get(key)
    const gone = new Unavailable({ operation: "reading the log", detail: `record ${number} has been truncated away` })
    if (Option.isNone(bytes)) return yield* gone
    const entries = yield* decode(() => Record.decodeEntries(bytes.value, bucket.location + key, header)).pipe(
      // A writer that was stopped may have put another record in the place of a deleted one.
      Effect.tapErrorTag("Corrupt", () =>
        Effect.andThen(
          chain.refresh,
          Effect.suspend(() => chain.headers().includes(header) ? Effect.void : Effect.fail(gone))
        ))
    )
    return entries
      .map((entry, i): Entry => ({ position: position + i, epoch, bytes: entry }))
      .slice(Math.max(0, from - position))
  }
)

type Problem = Corrupt | UnsupportedFormat

const problemsOf = (
  bucket: Bucket,
  chain: EntryList.EntryList,
  header: Record.Header
): Effect.Effect<ReadonlyArray<Problem>, StorageError> =>
  Effect.as(entriesOf(bucket, chain, header, header.position), []).pipe(
    Effect.catchTag(["Corrupt", "UnsupportedFormat"], (problem) => Effect.succeed([problem]))
  )

/** Checks whether there are records after those that this opener knows. */
const polling = (chain: EntryList.EntryList, { poll }: Options): Stream.Stream<void> =>
  Stream.suspend(() => {
    let seen = chain.next()
    const look = Effect.map(Effect.orElseSucceed(chain.peek, () => false), (mayHaveGrown) => {
      const hasGrown = mayHaveGrown || chain.next() !== seen
      seen = chain.next()
      return hasGrown
    })
    return Polling.make(look, poll)
  })
