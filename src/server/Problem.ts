/**
 * What a request may fail with: problem bodies (RFC 9457), one type for each error of the library that a caller can
 * distinguish and act on. The tags are those of `PersistError`, so that code that catches them works with both.
 *
 * @since 0.1.0
 */
import { Schema } from "effect"
import { HttpApiError } from "effect/http-api"
import type * as PersistError from "../PersistError.ts"
import { FrontierJson } from "./Rows.ts"

const type = <Name extends string>(name: Name): `urn:tidemark:problem:${Name}` => `urn:tidemark:problem:${name}`

/**
 * The token is missing or wrong.
 *
 * @category errors
 * @since 0.1.0
 */
export class Unauthorized extends HttpApiError.Problem<Unauthorized>()("Unauthorized", {
  type: type("unauthorized"),
  status: 401,
  title: "The bearer token is missing or wrong"
}) {}

/**
 * The token does not allow this: it only reads, or it is for other collections.
 *
 * @category errors
 * @since 0.1.0
 */
export class Forbidden extends HttpApiError.Problem<Forbidden>()("Forbidden", {
  type: type("forbidden"),
  status: 403,
  title: "The token does not allow this"
}) {}

/**
 * The idempotency key was sent with another request before.
 *
 * @category errors
 * @since 0.1.0
 */
export class KeyReused extends HttpApiError.Problem<KeyReused>()("KeyReused", {
  type: type("key-reused"),
  status: 422,
  title: "The idempotency key belongs to another request"
}) {}

/**
 * @category errors
 * @since 0.1.0
 */
export class UnknownCollection extends HttpApiError.Problem<UnknownCollection>()("UnknownCollection", {
  type: type("unknown-collection"),
  status: 404,
  title: "There is no such collection"
}) {}

/**
 * @category errors
 * @since 0.1.0
 */
export class CollectionDestroyed extends HttpApiError.Problem<CollectionDestroyed>()("CollectionDestroyed", {
  type: type("collection-destroyed"),
  status: 410,
  title: "The collection was destroyed"
}) {}

/**
 * The collection to resume in was destroyed, and its name now belongs to another one.
 *
 * @category errors
 * @since 0.1.0
 */
export class CollectionRecreated extends HttpApiError.Problem<CollectionRecreated>()("CollectionRecreated", {
  type: type("collection-recreated"),
  status: 410,
  title: "The collection is another one than before"
}) {}

/**
 * The requested time is before `since`, the first time that can be read: the history before it was discarded.
 *
 * @category errors
 * @since 0.1.0
 */
export class AsOfBeforeSince extends HttpApiError.Problem<AsOfBeforeSince>()("AsOfBeforeSince", {
  type: type("before-since"),
  status: 410,
  title: "The history at this time was given up"
}, { since: FrontierJson }) {}

/**
 * The time is not sealed yet. `upper` is the first time that is not.
 *
 * @category errors
 * @since 0.1.0
 */
export class AsOfNotSealed extends HttpApiError.Problem<AsOfNotSealed>()("AsOfNotSealed", {
  type: type("not-sealed"),
  status: 409,
  title: "The time is not sealed yet"
}, { upper: FrontierJson }) {}

/**
 * Another writer has appended first. `actual` is the current upper of the collection.
 *
 * @category errors
 * @since 0.1.0
 */
export class UpperMismatch extends HttpApiError.Problem<UpperMismatch>()("UpperMismatch", {
  type: type("upper-mismatch"),
  status: 409,
  title: "The collection has another upper than expected"
}, { actual: FrontierJson }) {}

/**
 * The request contradicts the frontiers of the collection. No part of it was applied.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidRequest extends HttpApiError.Problem<InvalidRequest>()("InvalidRequest", {
  type: type("invalid-request"),
  status: 409,
  title: "The request does not fit the frontiers of the collection"
}, {
  reason: Schema.Literals(["TimeSealed", "SealRegressed", "SinceRegressed", "CollectionDestroyed", "OnTimeline"])
}) {}

/**
 * The collection exists with other codecs, or with a schema that is incompatible with the requested one.
 *
 * @category errors
 * @since 0.1.0
 */
export class CodecMismatch extends HttpApiError.Problem<CodecMismatch>()("CodecMismatch", {
  type: type("codec-mismatch"),
  status: 409,
  title: "The collection has other codecs"
}) {}

/**
 * A key, a value, a time or a diff cannot be stored in this collection. No part of the request was applied. `row` is
 * the index of the first such update in the request, from 0.
 *
 * @category errors
 * @since 0.1.0
 */
export class ValueOutOfRange extends HttpApiError.Problem<ValueOutOfRange>()("ValueOutOfRange", {
  type: type("value-out-of-range"),
  status: 422,
  title: "A value cannot be stored in this collection"
}, { row: Schema.optionalKey(Schema.Number) }) {}

/**
 * The request would be read differently from how it was sent: it is not UTF-8, or has an integer that would be rounded.
 *
 * @category errors
 * @since 0.1.0
 */
export class Inexact extends HttpApiError.Problem<Inexact>()("Inexact", {
  type: type("inexact"),
  status: 400,
  title: "The request cannot be read without changing it"
}) {}

/**
 * No collection can be created under this name.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidName extends HttpApiError.Problem<InvalidName>()("InvalidName", {
  type: type("invalid-name"),
  status: 400,
  title: "No collection can be created under this name"
}) {}

/**
 * The server has reached its limit of subscribers.
 *
 * @category errors
 * @since 0.1.0
 */
export class TooManySubscribers extends HttpApiError.Problem<TooManySubscribers>()("TooManySubscribers", {
  type: type("too-many-subscribers"),
  status: 503,
  title: "The server has as many subscribers as it may have"
}) {}

/**
 * The store was unavailable, and the request was not applied. It is safe to retry.
 *
 * @category errors
 * @since 0.1.0
 */
export class Unavailable extends HttpApiError.Problem<Unavailable>()("Unavailable", {
  type: type("unavailable"),
  status: 503,
  title: "The store could not do it now, and did not"
}) {}

/**
 * Another process has become the writer of the store, and this server no longer answers. Send the request to that one.
 *
 * @category errors
 * @since 0.1.0
 */
export class Fenced extends HttpApiError.Problem<Fenced>()("Fenced", {
  type: type("fenced"),
  status: 503,
  title: "Another process has taken over the store"
}) {}

/**
 * The server is read-only.
 *
 * @category errors
 * @since 0.1.0
 */
export class ReadOnly extends HttpApiError.Problem<ReadOnly>()("ReadOnly", {
  type: type("read-only"),
  status: 403,
  title: "This server only reads"
}) {}

/**
 * No space is left. No part of the request was applied.
 *
 * @category errors
 * @since 0.1.0
 */
export class OutOfSpace extends HttpApiError.Problem<OutOfSpace>()("OutOfSpace", {
  type: type("out-of-space"),
  status: 507,
  title: "The store has no space left"
}) {}

/**
 * The outcome is unknown: the request may have been applied. Read before you retry.
 *
 * @category errors
 * @since 0.1.0
 */
export class Indeterminate extends HttpApiError.Problem<Indeterminate>()("Indeterminate", {
  type: type("indeterminate"),
  status: 500,
  title: "It is unknown whether the request was applied"
}) {}

/**
 * The store is damaged, or this server has no permission to use it.
 *
 * @category errors
 * @since 0.1.0
 */
export class StoreFailed extends HttpApiError.Problem<StoreFailed>()("StoreFailed", {
  type: type("store-failed"),
  status: 500,
  title: "The store is damaged, or this server may not use it"
}) {}

/** @internal Errors of a response about a collection. */
export const reading = [
  UnknownCollection,
  CollectionDestroyed,
  CodecMismatch,
  Unavailable,
  OutOfSpace,
  Indeterminate,
  StoreFailed,
  Fenced,
  ReadOnly,
  AsOfBeforeSince,
  AsOfNotSealed,
  ValueOutOfRange
] as const

/** @internal As `reading`, with the errors that only a change can have. */
export const writing = [...reading, InvalidRequest, UpperMismatch, KeyReused] as const

const detailed = ({ message }: Error) => ({ detail: message })

const byTag = {
  UnknownCollection: (error: PersistError.UnknownCollection) => new UnknownCollection(detailed(error)),
  CollectionDestroyed: (error: PersistError.CollectionDestroyed) => new CollectionDestroyed(detailed(error)),
  AsOfBeforeSince: (error: PersistError.AsOfBeforeSince) =>
    new AsOfBeforeSince({ ...detailed(error), since: error.since }),
  AsOfNotSealed: (error: PersistError.AsOfNotSealed) => new AsOfNotSealed({ ...detailed(error), upper: error.upper }),
  UpperMismatch: (error: PersistError.UpperMismatch) => new UpperMismatch({ ...detailed(error), actual: error.actual }),
  InvalidRequest: (error: PersistError.InvalidRequest) =>
    new InvalidRequest({ ...detailed(error), reason: error.reason }),
  CodecMismatch: (error: PersistError.CodecMismatch) => new CodecMismatch(detailed(error)),
  SchemaMismatch: (error: PersistError.SchemaMismatch) => new CodecMismatch(detailed(error)),
  ValueOutOfRange: (error: PersistError.ValueOutOfRange) => new ValueOutOfRange(detailed(error)),
  ReadOnly: (error: PersistError.ReadOnly) => new ReadOnly(detailed(error)),
  Unavailable: (error: PersistError.Unavailable) => new Unavailable(detailed(error)),
  RuntimeShutdown: (error: PersistError.RuntimeShutdown) => new Unavailable(detailed(error)),
  HoldExpired: (error: PersistError.HoldExpired) => new Unavailable(detailed(error)),
  OutOfSpace: (error: PersistError.OutOfSpace) => new OutOfSpace(detailed(error)),
  Indeterminate: (error: PersistError.Indeterminate) => new Indeterminate(detailed(error)),
  Corrupt: (error: PersistError.Corrupt) => new StoreFailed(detailed(error)),
  DecodeError: (error: PersistError.DecodeError) => new StoreFailed(detailed(error)),
  Fenced: (error: PersistError.Fenced) => new Fenced(detailed(error)),
  NotAStore: (error: PersistError.NotAStore) => new StoreFailed(detailed(error)),
  UnsafeStore: (error: PersistError.UnsafeStore) => new StoreFailed(detailed(error)),
  AccessDenied: (error: PersistError.AccessDenied) => new StoreFailed(detailed(error)),
  UnsupportedFormat: (error: PersistError.UnsupportedFormat) => new StoreFailed(detailed(error))
}

type Tag = keyof typeof byTag

/** Errors of the library. */
export type Problematic = Parameters<(typeof byTag)[Tag]>[0]

/** The problem that stands for an error. */
export type Of<E extends Problematic> = ReturnType<(typeof byTag)[E["_tag"]]>

/** @internal The problem that reports an error of the library. */
export const of = <E extends Problematic>(error: E): Of<E> => {
  const make: (error: never) => unknown = byTag[error._tag]
  return make(error as never) as Of<E>
}
