/**
 * What Effect's own tests demand of a storage of messages, in this project's words, of Effect's storage in memory as far
 * as it has it. Then what only a durable storage can promise.
 */
import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Exit, Fiber, Layer, Option, Schema } from "effect"
import {
  EntityAddress,
  EntityId,
  EntityType,
  Envelope,
  Message,
  MessageStorage,
  Reply,
  ShardId,
  ShardingConfig,
  Snowflake
} from "effect/cluster"
import { Headers } from "effect/http"
import { Rpc, RpcSchema } from "effect/rpc"
import { TestClock } from "effect/testing"
import * as Durable from "../../src/services/MessageStorage.ts"
import * as Table from "../../src/tables/Table.ts"
import * as Services from "./Services.ts"

const GetUser = Rpc.make("GetUser", { payload: { id: Schema.Number } })
const Once = Rpc.make("Once", { payload: { id: Schema.Number }, primaryKey: ({ id }) => String(id) })
const Streaming = Rpc.make("Streaming", {
  success: RpcSchema.Stream(Schema.Void, Schema.Never),
  payload: { id: Schema.Number },
  primaryKey: ({ id }) => String(id)
})

const addressOf = (shard: number, entity: string) =>
  EntityAddress.make({
    shardId: ShardId.make("default", shard),
    entityType: EntityType.make("test"),
    entityId: EntityId.make(entity)
  })

const address = addressOf(1, "1")

const request = Effect.fnUntraced(function*(id: number, rpc: Rpc.AnyWithProps = GetUser, to = address) {
  const { nextUnsafe } = yield* Snowflake.Generator
  return new Message.OutgoingRequest({
    envelope: Envelope.makeRequest<never>({
      requestId: nextUnsafe(),
      address: to,
      tag: rpc._tag as never,
      payload: rpc.payloadSchema.make({ id }) as never,
      traceId: "noop",
      spanId: "noop",
      sampled: false,
      headers: Headers.empty
    }),
    annotations: rpc.annotations,
    context: Context.empty() as never,
    rpc: rpc as never,
    lastReceivedReply: Option.none(),
    respond: () => Effect.void
  })
})

type Request = Effect.Success<ReturnType<typeof request>>

const replied = ({ context, rpc }: Request, reply: Reply.Reply<never>) =>
  new Reply.ReplyWithContext({ reply, context, rpc })

const exit = (to: Request) =>
  Effect.map(Snowflake.Generator, ({ nextUnsafe }) =>
    replied(
      to,
      new Reply.WithExit({ id: nextUnsafe(), requestId: to.envelope.requestId, exit: Exit.void as never })
    ))

const chunk = (to: Request, sequence: number) =>
  Effect.map(Snowflake.Generator, ({ nextUnsafe }) =>
    replied(
      to,
      new Reply.Chunk({ id: nextUnsafe(), requestId: to.envelope.requestId, sequence, values: [undefined] }) as never
    ))

const acknowledgement = (to: Request, of: Reply.ReplyWithContext<never>) =>
  Effect.map(Snowflake.Generator, ({ nextUnsafe }) =>
    new Message.OutgoingEnvelope({
      envelope: new Envelope.AckChunk({
        id: nextUnsafe(),
        address: to.envelope.address,
        requestId: of.reply.requestId,
        replyId: of.reply.id
      }),
      rpc: to.rpc
    }))

type Storage = MessageStorage.MessageStorage["Service"]

/** The payloads of the requests that are delivered. */
const delivered = (storage: Storage, shards = [address.shardId], options?: { readonly limit?: number }) =>
  Effect.map(
    storage.unprocessedMessages(shards, options),
    (messages) =>
      messages.map(({ envelope }) =>
        envelope._tag === "Request" ? (envelope.payload as { readonly id: number }).id : envelope._tag
      )
  )

const save = (storage: Storage, ...requests: ReadonlyArray<Request>) =>
  Effect.forEach(requests, (each) => Effect.map(storage.saveRequest(each), ({ _tag }) => _tag))

const generator = Layer.provideMerge(Snowflake.layerGenerator)
const memory = MessageStorage.layerMemory.pipe(generator, Layer.provide(ShardingConfig.layerDefaults))
const durable = Durable.layer().pipe(generator)

const layers: ReadonlyArray<
  readonly [string, Layer.Layer<MessageStorage.MessageStorage | Snowflake.Generator, unknown>]
> = [
  ["of Effect, in memory", memory],
  ["on tables", durable.pipe(Layer.provide(Services.onFresh))]
]

describe.each(layers)("MessageStorage %s", (_, layer) => {
  const test = <A, E>(title: string, body: (storage: Storage) => Effect.Effect<A, E, Snowflake.Generator>) =>
    it.effect(title, () => Effect.provide(Effect.flatMap(MessageStorage.MessageStorage, body), Layer.fresh(layer)))

  test("delivers requests once, in order, until they have been processed", (storage) =>
    Effect.gen(function*() {
      const requests = yield* Effect.forEach([1, 2, 3, 4, 5], (id) => request(id))
      assert.deepStrictEqual(yield* save(storage, ...requests), Array.from({ length: 5 }, () => "Success"))
      yield* storage.saveReply(yield* exit(requests[0]!))
      assert.deepStrictEqual(yield* delivered(storage, [address.shardId], { limit: 3 }), [2, 3, 4])
      yield* save(storage, yield* request(6))
      assert.deepStrictEqual(yield* delivered(storage), [5, 6])
      assert.deepStrictEqual(yield* delivered(storage), [])
      yield* TestClock.adjust("11 minutes")
      assert.deepStrictEqual(yield* delivered(storage), [2, 3, 4, 5, 6], "claims expire")
    }))

  test("delivers again what is reset, by request, address or shard", (storage) =>
    Effect.gen(function*() {
      const other = addressOf(2, "2")
      const requests = [yield* request(1), yield* request(2, GetUser, other)]
      const shards = [address.shardId, other.shardId]
      yield* save(storage, ...requests)
      assert.deepStrictEqual(yield* delivered(storage, shards), [1, 2])
      yield* storage.resetRequests([requests[0]!.envelope.requestId])
      assert.deepStrictEqual(yield* delivered(storage, shards), [1])
      yield* storage.resetAddress(other)
      assert.deepStrictEqual(yield* delivered(storage, shards), [2])
      yield* storage.resetShards([address.shardId])
      assert.deepStrictEqual(yield* delivered(storage, shards), [1])
    }))

  test("accepts a primary key once, and says what became of it", (storage) =>
    Effect.gen(function*() {
      const [first, second] = [yield* request(123, Once), yield* request(123, Once)]
      assert.deepStrictEqual(yield* save(storage, first), ["Success"])
      const result = yield* storage.saveRequest(second)
      assert(result._tag === "Duplicate")
      assert.strictEqual(result.originalId, first.envelope.requestId)
      assert.deepStrictEqual(result.lastReceivedReply, Option.none())
      yield* storage.saveReply(yield* exit(first))
      const again = yield* storage.saveRequest(second)
      assert(again._tag === "Duplicate" && Option.isSome(again.lastReceivedReply))
      assert.strictEqual(again.lastReceivedReply.value._tag, "WithExit")
      assert.deepStrictEqual(
        yield* storage.requestIdForPrimaryKey({ address, tag: "Once", id: "123" }),
        Option.some(first.envelope.requestId)
      )
      assert.deepStrictEqual(yield* storage.requestIdForPrimaryKey({ address, tag: "Once", id: "9" }), Option.none())
    }))

  test("has the chunks of a reply until they are acknowledged", (storage) =>
    Effect.gen(function*() {
      const streaming = yield* request(1, Streaming)
      yield* save(storage, streaming)
      const [first, second] = [yield* chunk(streaming, 0), yield* chunk(streaming, 1)]
      yield* storage.saveReply(first)
      yield* storage.saveEnvelope(yield* acknowledgement(streaming, first))
      yield* storage.saveReply(second)
      const tags = Effect.map(storage.repliesFor([streaming]), (found) =>
        found.map((each) => each._tag === "Chunk" ? each.sequence : each._tag))
      assert.deepStrictEqual(yield* tags, [1])
      yield* storage.saveReply(yield* exit(streaming))
      assert.deepStrictEqual(yield* tags, [1, "WithExit"])
      assert.lengthOf(yield* storage.repliesForUnfiltered([streaming.envelope.requestId]), 3)
    }))

  test("wakes a handler that waits for a reply", (storage) =>
    Effect.gen(function*() {
      const sent = yield* request(1)
      yield* save(storage, sent)
      const responded = yield* Deferred.make<void>()
      const waits = yield* Effect.forkChild(
        storage.registerReplyHandler(
          new Message.OutgoingRequest({ ...sent, respond: () => Effect.asVoid(Deferred.succeed(responded, undefined)) })
        ),
        { startImmediately: true }
      )
      yield* storage.saveReply(yield* exit(sent))
      yield* Deferred.await(responded)
      yield* Fiber.join(waits)
    }))

  test("finds unprocessed messages by id", (storage) =>
    Effect.gen(function*() {
      const sent = yield* request(1)
      yield* save(storage, sent)
      const found = storage.unprocessedMessagesById([sent.envelope.requestId])
      assert.lengthOf(yield* found, 1)
      assert.lengthOf(yield* found, 1, "this claims nothing")
      yield* storage.saveReply(yield* exit(sent))
      assert.lengthOf(yield* found, 0)
    }))

  test("clears replies, if the last one is the expected one, and then delivers the request again", (storage) =>
    Effect.gen(function*() {
      const sent = yield* request(1)
      yield* save(storage, sent)
      const reply = yield* exit(sent)
      yield* storage.saveReply(reply)
      const { requestId } = sent.envelope
      yield* storage.clearReplies(requestId, { expectedReplyId: requestId })
      assert.lengthOf(yield* storage.repliesFor([sent]), 1)
      assert.deepStrictEqual(yield* delivered(storage), [])
      yield* storage.clearReplies(requestId, { expectedReplyId: reply.reply.id })
      assert.lengthOf(yield* storage.repliesFor([sent]), 0)
      assert.deepStrictEqual(yield* delivered(storage), [1])
    }))

  test("clears an address", (storage) =>
    Effect.gen(function*() {
      const [sent, other] = [yield* request(1, Once), yield* request(2, GetUser, addressOf(1, "2"))]
      yield* save(storage, sent, other)
      yield* storage.saveReply(yield* exit(sent))
      yield* storage.clearAddress(address)
      assert.deepStrictEqual(yield* delivered(storage), [2])
      assert.lengthOf(yield* storage.repliesFor([sent]), 0)
      assert.deepStrictEqual(yield* save(storage, yield* request(1, Once)), ["Success"])
    }))
})

class Balances extends Table.Service<Balances>()("balances", { key: Schema.String, value: Schema.Int }) {}

describe("MessageStorage on tables", () => {
  const both = Layer.mergeAll(durable, Balances.layer)

  it.effect("refuses a second end of a request, and accepts the same one again", () =>
    Effect.gen(function*() {
      const storage = yield* MessageStorage.MessageStorage
      const sent = yield* request(1)
      yield* save(storage, sent)
      const reply = yield* exit(sent)
      yield* storage.saveReply(reply)
      yield* storage.saveReply(reply)
      assert.propertyVal(yield* Effect.flip(storage.saveReply(yield* exit(sent))), "_tag", "PersistenceError")
      assert.lengthOf(yield* storage.repliesFor([sent]), 1)
    }).pipe(Effect.provide(durable.pipe(Layer.provide(Services.onFresh)))))

  it.effect("a reply and what its handler writes to tables are one commit", () =>
    Effect.gen(function*() {
      const storage = yield* MessageStorage.MessageStorage
      const balances = yield* Balances
      const sent = yield* request(1)
      yield* save(storage, sent)
      const handled = Effect.andThen(
        balances.set("ada", 1),
        Effect.flatMap(exit(sent), (reply) => storage.saveReply(reply))
      )
      const failed = storage.withTransaction(Effect.andThen(handled, Effect.fail("no")))
      assert.strictEqual(yield* Effect.flip(failed), "no")
      assert.deepStrictEqual(yield* balances.get("ada"), Option.none())
      assert.lengthOf(yield* storage.repliesFor([sent]), 0)
      const read = yield* Deferred.make<void>()
      const go = yield* Deferred.make<void>()
      let runs = 0
      const losing = yield* Effect.forkChild(Effect.exit(storage.withTransaction(Effect.gen(function*() {
        runs++
        yield* balances.get("ada")
        yield* Deferred.succeed(read, undefined)
        yield* Deferred.await(go)
        yield* handled
      }))))
      yield* Deferred.await(read)
      yield* balances.set("ada", 5)
      yield* Deferred.succeed(go, undefined)
      assert.isTrue(Exit.hasDies(yield* Fiber.join(losing)), "a handler is not run twice")
      assert.strictEqual(runs, 1)
      yield* storage.withTransaction(handled)
      assert.deepStrictEqual(yield* balances.get("ada"), Option.some(1))
      assert.lengthOf(yield* storage.repliesFor([sent]), 1)
    }).pipe(Effect.provide(both.pipe(Layer.provide(Services.onFresh)))))

  it.effect("messages and replies are there in the next process, and what the last one had read is delivered again", () =>
    Effect.gen(function*() {
      const { process } = yield* Services.medium
      const first = yield* process(durable)
      const sent = yield* first(Effect.gen(function*() {
        const storage = yield* MessageStorage.MessageStorage
        const requests = [yield* request(1), yield* request(2)] as const
        yield* save(storage, ...requests)
        assert.deepStrictEqual(yield* delivered(storage), [1, 2])
        yield* storage.saveReply(yield* exit(requests[0]))
        return requests
      }))
      const second = yield* process(durable)
      yield* second(Effect.gen(function*() {
        const storage = yield* MessageStorage.MessageStorage
        assert.deepStrictEqual(yield* delivered(storage), [2])
        assert.lengthOf(yield* storage.repliesFor(sent), 1)
        yield* save(storage, yield* request(3))
        assert.deepStrictEqual(yield* delivered(storage), [3])
      }))
    }))
})
