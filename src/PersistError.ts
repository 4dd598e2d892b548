/**
 * All errors of Tidemark, as tagged errors.
 *
 * For retries, a caller must distinguish three kinds:
 *
 * - *definitely not applied*: `Unavailable`, `InvalidRequest`, `ValueOutOfRange`, `OutOfSpace`, ... Nothing of the
 *   request is stored, so trying again cannot double it.
 * - *unknown*: `Indeterminate`. The request may or may not have been applied; read before trying again.
 * - *never again*: `Corrupt`, `Fenced`, `UnsupportedFormat`, `UnsafeStore`, `AccessDenied`. This process cannot use
 *   this store any more until the problem that the message names is repaired.
 *
 * Messages say what happened, why, and what to do. They name collections, files, times and codecs, never a key or a
 * value of a user's data.
 *
 * @since 0.1.0
 */
import { Schema } from "effect"

export * from "./InputError.ts"
export * from "./PlaceError.ts"
export * from "./SetupError.ts"
export * from "./StorageError.ts"
export * from "./TableError.ts"

/**
 * A command has a sequence number, but is invalid in the state at its position. Nothing of it was applied.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidRequest extends Schema.TaggedError<InvalidRequest>("tidemark/InvalidRequest")("InvalidRequest", {
  seqNo: Schema.Number,
  collection: Schema.String,
  reason: Schema.Literals(["TimeSealed", "SealRegressed", "SinceRegressed", "CollectionDestroyed", "OnTimeline"]),
  detail: Schema.String
}) {
  override get message(): string {
    return `request ${this.seqNo} on "${this.collection}" was refused: ${this.detail}`
  }
}

/**
 * A collection exists with another codec than the one asked for. The key is checked before the value.
 *
 * @category errors
 * @since 0.1.0
 */
export class CodecMismatch extends Schema.TaggedError<CodecMismatch>("tidemark/CodecMismatch")("CodecMismatch", {
  collection: Schema.String,
  part: Schema.Literals(["key", "value"]),
  requested: Schema.String,
  stored: Schema.String
}) {
  override get message(): string {
    return `collection "${this.collection}" stores its ${this.part}s as codec "${this.stored}", but "${this.requested}" ` +
      `was asked for; open it with "${this.stored}", or write to a new collection`
  }
}

/**
 * A collection is opened with a schema under which rows that are stored may no longer be read, or no longer be
 * retracted. Nothing was changed. `changes` lists the breaking changes, by their place in the schema; `stored` and
 * `requested` are the fingerprints of the two. The key is checked before the value.
 *
 * @category errors
 * @since 0.1.0
 */
export class SchemaMismatch extends Schema.TaggedError<SchemaMismatch>("tidemark/SchemaMismatch")("SchemaMismatch", {
  collection: Schema.String,
  part: Schema.Literals(["key", "value"]),
  stored: Schema.String,
  requested: Schema.String,
  changes: Schema.Array(Schema.String)
}) {
  override get message(): string {
    return `collection "${this.collection}" stores its ${this.part}s under schema ${this.stored}, and schema ` +
      `${this.requested} breaks with it (${
        this.changes.join("; ")
      }); write to a new collection, or migrate the rows to ` +
      `one, or take the change with schemaChange: "any" and say with "undecodable" what becomes of rows that do not decode`
  }
}

/**
 * No collection of this name was ever registered.
 *
 * @category errors
 * @since 0.1.0
 */
export class UnknownCollection
  extends Schema.TaggedError<UnknownCollection>("tidemark/UnknownCollection")("UnknownCollection", {
    collection: Schema.String
  })
{
  override get message(): string {
    return `there is no collection "${this.collection}"; list them, or create it with createOrLoad`
  }
}

/**
 * The collection was destroyed. Its name stays in use unless a collection is opened under it with `recreate: true`.
 *
 * @category errors
 * @since 0.1.0
 */
export class CollectionDestroyed
  extends Schema.TaggedError<CollectionDestroyed>("tidemark/CollectionDestroyed")("CollectionDestroyed", {
    collection: Schema.String
  })
{
  override get message(): string {
    return `collection "${this.collection}" was destroyed; createOrLoad with recreate: true starts a new one under the name`
  }
}

/**
 * A read asked for a time before `since`, which `allowCompaction` has moved.
 *
 * @category errors
 * @since 0.1.0
 */
export class AsOfBeforeSince
  extends Schema.TaggedError<AsOfBeforeSince>("tidemark/AsOfBeforeSince")("AsOfBeforeSince", {
    collection: Schema.String,
    asOf: Schema.Number,
    since: Schema.Number
  })
{
  override get message(): string {
    return `"${this.collection}" cannot be read as of ${this.asOf}: history before ${
      format(this.since)
    } was given up by compaction; read as of ${format(this.since)} or later`
  }
}

/**
 * A read asked, without waiting, for a time that is not sealed yet.
 *
 * @category errors
 * @since 0.1.0
 */
export class AsOfNotSealed extends Schema.TaggedError<AsOfNotSealed>("tidemark/AsOfNotSealed")("AsOfNotSealed", {
  collection: Schema.String,
  asOf: Schema.Number,
  upper: Schema.Number
}) {
  override get message(): string {
    return `"${this.collection}" is sealed up to ${
      format(this.upper)
    } only, so its contents as of ${this.asOf} may still change; wait, or seal ${this.asOf + 1}`
  }
}

/**
 * `compareAndAppend` expected another upper than the collection has. This is a normal outcome of a race.
 *
 * @category errors
 * @since 0.1.0
 */
export class UpperMismatch extends Schema.TaggedError<UpperMismatch>("tidemark/UpperMismatch")("UpperMismatch", {
  collection: Schema.String,
  expected: Schema.Number,
  actual: Schema.Number
}) {
  override get message(): string {
    return `"${this.collection}" has upper ${format(this.actual)}, not ${
      format(this.expected)
    }: somebody else has appended; read again from ${format(this.expected)} and decide anew`
  }
}

/**
 * The runtime has stopped, or is stopping. A request that gets this was not applied. Where a defect has ended the runtime, `cause`
 * is that defect.
 *
 * @category errors
 * @since 0.1.0
 */
export class RuntimeShutdown
  extends Schema.TaggedError<RuntimeShutdown>("tidemark/RuntimeShutdown")("RuntimeShutdown", {
    cause: Schema.optionalKey(Schema.Defect())
  })
{
  override get message(): string {
    return this.cause === undefined
      ? "the Tidemark runtime has stopped; the request was not applied: open the store again"
      : "a defect has ended the Tidemark runtime; the request was not applied: open the store again, and report the defect, " +
        "which is the cause of this error"
  }
}

/**
 * The client was opened to read only.
 *
 * @category errors
 * @since 0.1.0
 */
export class ReadOnly extends Schema.TaggedError<ReadOnly>("tidemark/ReadOnly")("ReadOnly", {
  operation: Schema.String
}) {
  override get message(): string {
    return `${this.operation} needs a client that may write; this one was opened read-only: use PersistClient.layer`
  }
}

/**
 * A `MultiWriter` was created from, or used with, handles that do not belong together.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidHandle extends Schema.TaggedError<InvalidHandle>("tidemark/InvalidHandle")("InvalidHandle", {
  detail: Schema.String
}) {
  override get message(): string {
    return `${this.detail}; nothing was applied`
  }
}

/**
 * A reader has fallen too far behind, or been inactive too long. Its position in the log, or its named hold, no longer
 * exists.
 *
 * @category errors
 * @since 0.1.0
 */
export class HoldExpired extends Schema.TaggedError<HoldExpired>("tidemark/HoldExpired")("HoldExpired", {
  collection: Schema.optionalKey(Schema.String),
  hold: Schema.optionalKey(Schema.String),
  detail: Schema.String
}) {
  override get message(): string {
    return this.hold === undefined
      ? `a reader of "${this.collection}" lost its hold: ${this.detail}; take a new snapshot and follow from there`
      : `the hold "${this.hold}" is lost: ${this.detail}; take it anew, and begin again`
  }
}

/**
 * A value of a request is outside what can be stored: a time or diff that is no safe integer, a row that is too large.
 *
 * @category errors
 * @since 0.1.0
 */
export class ValueOutOfRange
  extends Schema.TaggedError<ValueOutOfRange>("tidemark/ValueOutOfRange")("ValueOutOfRange", {
    what: Schema.String,
    detail: Schema.String
  })
{
  override get message(): string {
    return `${this.what} is out of range: ${this.detail}`
  }
}

/**
 * Bytes do not decode under a codec, or a value does not encode under it.
 *
 * @category errors
 * @since 0.1.0
 */
export class DecodeError extends Schema.TaggedError<DecodeError>("tidemark/DecodeError")("DecodeError", {
  codec: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `bytes do not decode as "${this.codec}": ${this.detail}; open the collection with the codec that wrote it, ` +
      "or read it with the skip or quarantine policy"
  }
}

/**
 * A collection that must have at most one value for each key has other contents.
 *
 * @category errors
 * @since 0.1.0
 */
export class NotKeyed extends Schema.TaggedError<NotKeyed>("tidemark/NotKeyed")("NotKeyed", {
  collection: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `"${this.collection}" does not have one value a key: ${this.detail}; let one writer alone upsert into it`
  }
}

/**
 * Another commit has changed rows that a transaction has read. Nothing of the transaction was applied. Tables retry
 * transactions with a conflict by themselves, so that a caller gets this error only when the schedule of the retries is
 * exhausted.
 *
 * - `KeyChanged`, `RangeChanged`: a key, or a range of keys, that it read was written.
 * - `TooOld`: it began too many commits ago to be validated.
 *
 * @category errors
 * @since 0.1.0
 */
export class Conflict extends Schema.TaggedError<Conflict>("tidemark/Conflict")("Conflict", {
  table: Schema.String,
  reason: Schema.Literals(["KeyChanged", "RangeChanged", "TooOld"])
}) {
  override get message(): string {
    const why = this.reason === "TooOld"
      ? "it began so many commits ago that it cannot be validated any more"
      : `another commit has changed a ${this.reason === "KeyChanged" ? "key" : "range of keys"} that it read`
    return `a transaction over table "${this.table}" was refused: ${why}; nothing was applied: run it again`
  }
}

const format = (frontier: number): string => frontier === Infinity ? "the end of time" : String(frontier)
