/**
 * The messages of a cluster and the replies to them as rows of two tables, and the claims of runners on messages.
 *
 * @internal
 */
import { Effect, Option, Semaphore, Stream } from "effect"
import type { EntityAddress } from "effect/cluster/EntityAddress"
import type * as Envelope from "effect/cluster/Envelope"
import type * as Reply from "effect/cluster/Reply"
import * as ShardId from "effect/cluster/ShardId"
import * as Codec from "../Codec.ts"
import type * as Table from "../tables/Table.ts"
import * as Backing from "./Backing.ts"

/** A message, by its id: that of its request, if it is a request. */
export interface Message {
  readonly envelope: Envelope.Encoded
  readonly primaryKey: string | null
  readonly deliverAt: number | null
  /** Messages are delivered in the order in which they were saved. */
  readonly order: number
  readonly isProcessed: boolean
}

interface MessageIndexes extends Table.Indexes {
  readonly unprocessed: readonly [shard: string, order: number] | undefined
  readonly byRequest: string
  readonly byPrimaryKey: string | undefined
  readonly byAddress: readonly [type: string, id: string]
}

/** A reply, by its request and its place: the sequence of a chunk, or the end. */
export interface Replied {
  readonly reply: Reply.Encoded
  readonly isAcknowledged: boolean
}

type ReplyKey = readonly [request: string, place: number]

export type Messages = Table.Indexed<string, Message, MessageIndexes>
export type Replies = Table.Table<ReplyKey, Replied>

type Address = Envelope.Encoded["address"] | EntityAddress

export const shardOf = ({ shardId }: Address): string => ShardId.toString(shardId)

export const addressOf = (address: Address): string =>
  JSON.stringify([shardOf(address), address.entityType, address.entityId])

const messages: Table.Options<string, Message, MessageIndexes> = {
  key: Codec.string,
  value: Codec.json as unknown as Codec.Codec<Message>,
  history: "latest",
  indexes: {
    unprocessed: ({ envelope, isProcessed, order }) => isProcessed ? undefined : [shardOf(envelope.address), order],
    byRequest: ({ envelope }) => envelope.requestId,
    byPrimaryKey: ({ primaryKey }) => primaryKey ?? undefined,
    byAddress: ({ envelope: { address } }) => [address.entityType, address.entityId]
  }
}

const replies: Table.Options<ReplyKey, Replied, {}> = {
  key: Codec.tuple([Codec.string, Codec.number]),
  value: Codec.json as unknown as Codec.Codec<Replied>,
  history: "latest"
}

export const idOf = (envelope: Envelope.Encoded): string =>
  envelope._tag === "Request" ? envelope.requestId : envelope.id

const end = Number.MAX_SAFE_INTEGER

export const replyKey = (reply: Reply.Encoded): ReplyKey => [
  reply.requestId,
  reply._tag === "Chunk" ? reply.sequence : end
]

/** As JSON: what it has undefined is left out. */
export const json = <A>(value: A): A => JSON.parse(JSON.stringify(value)) as A

/** Replies to a request, in the order of its stream. */
export const repliesTo = (table: Replies, request: string) => Stream.runCollect(table.range({ prefix: [request] }))

export const lastReply = (table: Replies, request: string) =>
  Effect.map(repliesTo(table, request), (found) => Option.fromUndefinedOr(found.at(-1)?.[1].reply))

/** All messages of a request: itself, acknowledgements of chunks, interruptions. */
export const messagesOf = (table: Messages, request: string) => Stream.runCollect(table.byRequest(request))

/** Effect's other storages let a claim expire after as many milliseconds. */
const expiration = 10 * 60 * 1000

/** Messages that a runner of this process has read, until it has processed them or lets them go. */
export class Claims {
  /** One runner reads at a time. */
  readonly reading = Semaphore.makeUnsafe(1)
  private readonly claimed = new Map<string, { readonly at: number; readonly address: Address }>()

  has(id: string, now: number): boolean {
    const claim = this.claimed.get(id)
    return claim !== undefined && claim.at > now - expiration
  }

  take(id: string, address: Address, at: number): void {
    this.claimed.set(id, { at, address })
  }

  release(id: string): void {
    this.claimed.delete(id)
  }

  releaseAll(concerns: (address: Address) => boolean): void {
    for (const [id, { address }] of this.claimed) if (concerns(address)) this.claimed.delete(id)
  }
}

/** By table. */
const claims = new WeakMap<object, Claims>()

export const open = Effect.fnUntraced(function*(prefix: string) {
  const { relation, table } = yield* Backing.open(`${prefix}-messages`, messages)
  const known = claims.get(relation) ?? new Claims()
  claims.set(relation, known)
  return { messages: table, replies: (yield* Backing.open(`${prefix}-replies`, replies)).table, claims: known }
})
