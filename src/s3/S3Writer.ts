/**
 * The writer of one epoch of a log in a bucket.
 *
 * @internal
 */
import { Effect, type Scope } from "effect"
import { Corrupt, Fenced, Indeterminate } from "../PersistError.ts"
import type { Writer } from "../storage/Log.ts"
import * as WriterStatus from "../storage/WriterStatus.ts"
import type * as Bucket from "./Bucket.ts"
import type { Claim } from "./Claims.ts"
import * as EntryList from "./EntryList.ts"
import * as Record from "./Record.ts"

export interface Options {
  readonly bucket: Bucket.Bucket
  readonly chain: EntryList.EntryList
  readonly claim: Claim
  readonly onAppend: () => void
}

const unknown = (detail: string) => new Indeterminate({ operation: "appending to the log", detail })

export const make: (options: Options) => Effect.Effect<Writer, never, Scope.Scope> = Effect.fnUntraced(
  function*({ bucket, chain, claim: { bounds, header: { epoch, number, opener } }, onAppend }) {
    const location = bucket.location
    const status = yield* WriterStatus.make
    let next = number + 1
    let upper = bounds.upper

    /** Finds which opener has taken the number that this writer needed. */
    const findRival = Effect.fnUntraced(function*(mine: Record.Header, claimed: Bucket.Claimed) {
      const found = yield* Effect.catchTag(
        EntryList.headerOf(bucket, mine.number),
        "Unavailable",
        ({ detail }) => unknown(`a record is there, and cannot be read: ${detail}`)
      )
      if (found === undefined) return yield* unknown("a record was there, and is gone")
      if (Record.isSame(found, mine)) return
      if (found.epoch > epoch) {
        // An earlier attempt may have been applied, read by the next writer, and truncated: the present record came
        // later.
        if (claimed === "unclear" && !(yield* chain.isIntact)) {
          return yield* unknown("records of then have been deleted")
        }
        return yield* new Fenced({ epoch, current: found.epoch })
      }
      return yield* new Corrupt({
        location: location + EntryList.recordKey(mine.number),
        offset: 0,
        detail: `epoch ${found.epoch} has written it, though epoch ${epoch} had begun`
      })
    })

    const append = Effect.fnUntraced(function*(entries: ReadonlyArray<Uint8Array>) {
      const bytes = Record.encode({ number: next, epoch, position: upper, opener }, entries)
      const header = Record.decodeHeader(bytes, location, next)
      const claimed = yield* bucket.claim(EntryList.recordKey(next), bytes)
      if (claimed !== "created") yield* findRival(header, claimed)
      chain.push(header)
      next++
      upper += entries.length
      onAppend()
      return upper
    })

    const truncate = Effect.fnUntraced(function*(before: number) {
      yield* chain.refresh
      const last = chain.headers().at(-1)
      if (last !== undefined && last.epoch > epoch) return yield* new Fenced({ epoch, current: last.epoch })
      const first = chain.headers().findLast(({ position }) => position <= before)
      const anchor = chain.anchor()
      if (first === undefined || anchor === undefined || first.number <= anchor.number) return
      yield* chain.forget({ number: first.number, position: first.position })
    })

    return WriterStatus.writerOf(status, { epoch, bounds, upper: () => upper, append, truncate })
  }
)
