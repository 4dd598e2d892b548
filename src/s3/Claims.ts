/**
 * How an opener of a log in a bucket becomes its writer: it creates the record that begins a new epoch.
 *
 * @internal
 */
import { Effect } from "effect"
import { Fenced, type StorageError } from "../PersistError.ts"
import type { Bounds } from "../storage/Log.ts"
import type { Bucket } from "./Bucket.ts"
import * as EntryList from "./EntryList.ts"
import * as Record from "./Record.ts"

/** The beginning of an epoch, and the retained bounds at that time. */
export interface Claim {
  readonly header: Record.Header
  readonly bounds: Bounds
}

/**
 * Begins an epoch that no other opener has: with `after`, only if that is the last one that a writer got. `opener`
 * identifies this opener.
 */
export const make = (
  bucket: Bucket,
  chain: EntryList.EntryList,
  opener: bigint
): (after: number | undefined) => Effect.Effect<Claim, StorageError> => {
  /** The last epoch that a writer got. */
  let given = 0

  const create = Effect.gen(function*() {
    const [number, position] = [chain.next(), chain.upper()]
    const epoch = (chain.headers().at(-1)?.epoch ?? 0) + 1
    const record = bucket.create(EntryList.recordKey(number), Record.encode({ number, epoch, position, opener }, []))
    const isCreated = chain.anchor() === undefined ? yield* chain.beginNew(record) : yield* record
    yield* chain.refresh
    // An opener that was stopped may have created a number that was issued, truncated and deleted meanwhile.
    const isPart = chain.headers().some((header) => header.number === number)
    if (isCreated && !isPart) yield* Effect.ignore(bucket.delete(EntryList.recordKey(number)))
  })

  return Effect.fnUntraced(function*(after: number | undefined) {
    yield* chain.refresh
    for (;;) {
      const header = chain.headers().at(-1)
      // Also an epoch that an earlier attempt has begun, without being able to know or use it.
      if (header !== undefined && header.opener === opener && header.count === 0 && header.epoch > given) {
        given = header.epoch
        return { header, bounds: { lower: chain.anchor()!.position, upper: header.position } }
      }
      if (after !== undefined && header !== undefined && header.epoch > after) {
        return yield* new Fenced({ epoch: after, current: header.epoch })
      }
      yield* create
    }
  })
}
