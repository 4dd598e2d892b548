/**
 * The message storage of Effect's cluster, on two tables: durable entities and workflows on one machine.
 *
 * Messages and replies are durable when they are saved. Runners of one process share the storage. The claims of runners
 * on messages are in memory and end with the process, which alone writes to the store.
 *
 * @since 0.1.0
 */
import { Effect, Layer, Option, Schedule, Stream } from "effect"
import { PersistenceError } from "effect/cluster/ClusterError"
import type * as Envelope from "effect/cluster/Envelope"
import * as Effects from "effect/cluster/MessageStorage"
import * as Snowflake from "effect/cluster/Snowflake"
import type { PersistClient } from "../client/PersistClient.ts"
import * as Table from "../tables/Table.ts"
import type { BackingError } from "./Backing.ts"
import * as Rows from "./ClusterRows.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** What the names of the tables begin with, which end in `-messages` and `-replies`. Default `"cluster"`. */
  readonly prefix?: string | undefined
}

type Opened = Effect.Success<ReturnType<typeof Rows.open>>

/** One transaction, whose failure is a `PersistenceError`. */
const atomically = <A>(effect: Effect.Effect<A, BackingError | PersistenceError>): Effect.Effect<A, PersistenceError> =>
  Effect.mapError(
    Table.transaction(effect),
    (cause) => cause._tag === "PersistenceError" ? cause : new PersistenceError({ cause })
  )

const saving = ({ messages, replies }: Opened) => {
  let last = 0
  /** Acknowledges a chunk. Earlier acknowledgements of the request need no delivery any more. */
  const acknowledge = Effect.fnUntraced(function*({ replyId, requestId }: Envelope.AckChunkEncoded) {
    for (const [key, row] of yield* Rows.repliesTo(replies, requestId)) {
      if (row.reply.id === replyId) yield* replies.set(key, { ...row, isAcknowledged: true })
    }
    for (const [id, row] of yield* Rows.messagesOf(messages, requestId)) {
      if (row.envelope._tag === "AckChunk") yield* messages.set(id, { ...row, isProcessed: true })
    }
  })
  const known = Effect.fnUntraced(function*(envelope: Envelope.Encoded, primaryKey: string | null) {
    if (primaryKey !== null) return Option.map(yield* Stream.runHead(messages.byPrimaryKey(primaryKey)), ([id]) => id)
    if (envelope._tag !== "Request") return Option.none()
    return Option.as(yield* messages.get(envelope.requestId), envelope.requestId)
  })
  const saveEnvelope: Effects.Encoded["saveEnvelope"] = ({ deliverAt, envelope: given, primaryKey }) => {
    const envelope = Rows.json(given)
    return atomically(Effect.gen(function*() {
      const duplicate = Option.getOrUndefined(yield* known(envelope, primaryKey))
      if (duplicate !== undefined) {
        const lastReceivedReply = yield* Rows.lastReply(replies, duplicate)
        return Effects.SaveResultEncoded.Duplicate({ originalId: Snowflake.Snowflake(duplicate), lastReceivedReply })
      }
      if (envelope._tag === "AckChunk") yield* acknowledge(envelope)
      last = Math.max(last, yield* messages.now) + 1
      yield* messages.set(Rows.idOf(envelope), { envelope, primaryKey, deliverAt, order: last, isProcessed: false })
      return Effects.SaveResultEncoded.Success()
    }))
  }
  return saveEnvelope
}

const replying = ({ claims, messages, replies }: Opened) => {
  const saveReply: Effects.Encoded["saveReply"] = (given) => {
    const reply = Rows.json(given)
    const key = Rows.replyKey(reply)
    return atomically(Effect.gen(function*() {
      if (Option.isNone(yield* messages.get(reply.requestId))) return
      const before = Option.getOrUndefined(yield* replies.get(key))?.reply
      if (before?.id === reply.id) return
      if (before !== undefined) {
        return yield* new PersistenceError({ cause: new Error("the request already has another reply in this place") })
      }
      yield* replies.set(key, { reply, isAcknowledged: false })
      if (reply._tag === "Chunk") return
      for (const [id, row] of yield* Rows.messagesOf(messages, reply.requestId)) {
        yield* messages.set(id, { ...row, isProcessed: true })
        claims.release(id)
      }
    }))
  }
  const clearReplies: Effects.Encoded["clearReplies"] = (requestId, { expectedReplyId } = {}) => {
    const request = String(requestId)
    return atomically(Effect.gen(function*() {
      const found = yield* Rows.repliesTo(replies, request)
      if (expectedReplyId !== undefined && found.at(-1)?.[1].reply.id !== String(expectedReplyId)) return
      for (const [key] of found) yield* replies.remove(key)
      for (const [id, row] of yield* Rows.messagesOf(messages, request)) {
        if (row.envelope._tag === "Request") yield* messages.set(id, { ...row, isProcessed: false })
        else if (expectedReplyId === undefined) yield* messages.remove(id)
        claims.release(id)
      }
    }))
  }
  const repliesWith = (requests: ReadonlyArray<string>, counts: (row: Rows.Replied) => boolean) =>
    atomically(Effect.map(
      Effect.forEach(requests, (request) => Rows.repliesTo(replies, request)),
      (found) => found.flat().flatMap(([, row]) => counts(row) ? [row.reply] : [])
    ))
  const repliesFor: Effects.Encoded["repliesFor"] = (requests) =>
    repliesWith(requests, ({ isAcknowledged }) => !isAcknowledged)
  const repliesForUnfiltered: Effects.Encoded["repliesForUnfiltered"] = (requests) => repliesWith(requests, () => true)
  return { saveReply, clearReplies, repliesFor, repliesForUnfiltered }
}

const isDue = ({ deliverAt }: Rows.Message, now: number): boolean => deliverAt === null || deliverAt <= now

const delivering = ({ claims, messages, replies }: Opened) => {
  /** A message with the last reply to it. It is not delivered after the final reply, or before a chunk is acknowledged. */
  const delivered = Effect.fnUntraced(function*(row: Rows.Message) {
    const sent = yield* Rows.repliesTo(replies, row.envelope.requestId)
    if (sent.some(([, { isAcknowledged }]) => !isAcknowledged)) return Option.none()
    const lastSentReply = row.envelope._tag === "Request"
      ? Option.fromUndefinedOr(sent.at(-1)?.[1].reply)
      : Option.none()
    return Option.some({ row, message: { envelope: row.envelope, lastSentReply } })
  })
  type Delivered = Option.Option.Value<Effect.Success<ReturnType<typeof delivered>>>
  const ordered = (found: ReadonlyArray<Delivered>) => found.toSorted((a, b) => a.row.order - b.row.order)

  const unprocessedMessages: Effects.Encoded["unprocessedMessages"] = (
    shards,
    now,
    { addresses, limit = Infinity } = {}
  ) => {
    const wanted = addresses && new Set(addresses.map(Rows.addressOf))
    const isWanted = ([id, row]: readonly [id: string, row: Rows.Message]): boolean =>
      isDue(row, now) && !claims.has(id, now) && (wanted?.has(Rows.addressOf(row.envelope.address)) ?? true)
    const of = (shard: string) =>
      messages.unprocessed([shard]).pipe(
        Stream.filter(isWanted),
        Stream.mapEffect(([, row]) => delivered(row)),
        Stream.filter(Option.isSome),
        Stream.map(({ value }) => value),
        Stream.take(limit),
        Stream.runCollect
      )
    return claims.reading.withPermit(
      Effect.map(atomically(Effect.forEach(shards, of)), (found) => {
        const first = ordered(found.flat()).slice(0, limit)
        for (const { message: { envelope } } of first) claims.take(Rows.idOf(envelope), envelope.address, now)
        return first.map(({ message }) => message)
      })
    )
  }
  const unprocessedMessagesById: Effects.Encoded["unprocessedMessagesById"] = (ids, now) =>
    atomically(
      Effect.gen(function*() {
        const found: Array<Delivered> = []
        for (const id of ids) {
          const row = Option.getOrUndefined(yield* messages.get(String(id)))
          if (row === undefined || row.isProcessed || !isDue(row, now)) continue
          const each = yield* delivered(row)
          if (Option.isSome(each)) found.push(each.value)
        }
        return ordered(found).map(({ message }) => message)
      })
    )
  return { unprocessedMessages, unprocessedMessagesById }
}

const resetting = ({ claims, messages, replies }: Opened) => {
  const resetRequests: Effects.Encoded["resetRequests"] = (requests) =>
    Effect.sync(() => requests.forEach((id) => claims.release(String(id))))
  const resetAddresses: Effects.Encoded["resetAddresses"] = (addresses) =>
    Effect.sync(() => {
      const those = new Set(addresses.map(Rows.addressOf))
      claims.releaseAll((address) => those.has(Rows.addressOf(address)))
    })
  const resetShards: Effects.Encoded["resetShards"] = (shards) =>
    Effect.sync(() => claims.releaseAll((address) => shards.includes(Rows.shardOf(address))))
  const clearAddress: Effects.Encoded["clearAddress"] = ({ entityId, entityType }) =>
    atomically(Effect.gen(function*() {
      for (const [id, { envelope }] of yield* Stream.runCollect(messages.byAddress([entityType, entityId]))) {
        for (const [key] of yield* Rows.repliesTo(replies, envelope.requestId)) yield* replies.remove(key)
        yield* messages.remove(id)
        claims.release(id)
      }
    }))
  return { resetRequests, resetAddresses, resetShards, clearAddress }
}

/** A failure of the wrapped effect itself. */
class Failed<E> {
  readonly error: E
  constructor(error: E) {
    this.error = error
  }
}

/** One attempt: the effect of a handler must not run twice. */
const withTransaction: Effects.Encoded["withTransaction"] = (effect) =>
  Effect.mapError(effect, (error) => new Failed(error)).pipe(
    (wrapped) => Table.transaction(wrapped, { retry: Schedule.recurs(0) }),
    Effect.catch((error) => error instanceof Failed ? Effect.fail(error.error) : Effect.die(error))
  )

/**
 * Makes the storage on two tables, which are created if absent.
 *
 * @see {@link layer}
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function*({ prefix = "cluster" }: Options = {}) {
  const opened = yield* Rows.open(prefix)
  return yield* Effects.makeEncoded({
    saveEnvelope: saving(opened),
    ...replying(opened),
    requestIdForPrimaryKey: (primaryKey) =>
      atomically(
        Effect.map(
          Stream.runHead(opened.messages.byPrimaryKey(primaryKey)),
          Option.map(([id]) => Snowflake.Snowflake(id))
        )
      ),
    ...delivering(opened),
    ...resetting(opened),
    withTransaction
  })
})

/**
 * The message storage of Effect's cluster on tables of the store. What a handler with `ClusterSchema.WithTransaction`
 * writes to other tables of the store is one commit with its reply.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<Effects.MessageStorage, Table.OpenError, PersistClient> =>
  Layer.effect(Effects.MessageStorage, make(options)).pipe(Layer.provide(Snowflake.layerGenerator))
