/**
 * The handlers of the endpoints.
 *
 * @internal
 */
import { Effect, RcMap, Stream } from "effect"
import { HttpServerResponse } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import type { KeyRange } from "../client/CollectionReader.ts"
import { type Description, PersistClient, type StoredCodec, storeOf } from "../client/PersistClient.ts"
import * as StoredJson from "../client/StoredJson.ts"
import type { SubscribeOptions } from "../client/Subscription.ts"
import * as Codec from "../Codec.ts"
import * as Frontier from "../Frontier.ts"
import { AsOfBeforeSince, AsOfNotSealed, UnknownCollection } from "../PersistError.ts"
import type { Update } from "../Update.ts"
import { Api } from "./Api.ts"
import * as Fanout from "./Fanout.ts"
import * as Pace from "./Pace.ts"
import * as Pages from "./Pages.ts"
import * as Problem from "./Problem.ts"
import { type NewUpdateJson, parseSubscriptionId } from "./Rows.ts"
import * as Seats from "./Seats.ts"
import * as Subscriber from "./Subscriber.ts"

export interface Options extends Fanout.Options {
  readonly maxSubscribers: number
  /** Milliseconds. */
  readonly stallTimeout: number
}

const codecJson = ({ document, name }: StoredCodec) => ({
  name,
  ...(document !== "" && { schema: JSON.parse(document) as StoredJson.Json })
})

const collectionJson = ({ id, key, name, since, upper, value }: Description) => ({
  name,
  id,
  key: codecJson(key),
  value: codecJson(value),
  since,
  upper
})

const encoder = new TextEncoder()

const ndjson = <E>(rows: Stream.Stream<unknown, E>): Stream.Stream<Uint8Array, E> =>
  Stream.map(Stream.chunks(rows), (chunk) => encoder.encode(chunk.map((row) => `${JSON.stringify(row)}\n`).join("")))

/** The time to read as of: the requested one, or else the last sealed one. */
const timeOf = ({ name, upper }: Description, asOf: number | undefined): Effect.Effect<number, AsOfNotSealed> => {
  const time = asOf ?? Frontier.lastSettled(upper)
  return time === undefined
    ? Effect.fail(new AsOfNotSealed({ collection: name, asOf: 0, upper }))
    : Effect.succeed(time)
}

/** Rejects a request to read from before `since`, before a response has begun. */
const checkStart = ({ name, since }: Description, start: SubscribeOptions) => {
  const first = start.from === undefined || start.from === 0 ? start.asOf : start.from - 1
  return first === undefined || first >= since
    ? Effect.void
    : Effect.fail(new AsOfBeforeSince({ collection: name, asOf: first, since }))
}

/** Rejects times that cannot be compared, before a response has begun. */
const checkTimes = Effect.fnUntraced(function*(
  { name, since, upper }: Description,
  times: { readonly from: number; readonly to: number }
) {
  for (const asOf of [times.from, times.to]) {
    if (asOf < since) return yield* new AsOfBeforeSince({ collection: name, asOf, since })
    if (asOf >= upper) return yield* new AsOfNotSealed({ collection: name, asOf, upper })
  }
})

/** Rows of a page, where a request does not say how many. */
const defaultLimit = 500

/** What is sealed does not change. An hour, so that caches forget what was erased. */
const unchanging = { "cache-control": "private, max-age=3600, immutable" }

/** Where a subscription resumes. The header, which browsers send, has priority over the parameter. */
const resumption = (lastEventId: string | undefined, from: number | undefined) =>
  lastEventId === undefined ? { collection: undefined, frontier: from } : parseSubscriptionId(lastEventId)

const recreated = (name: string, before: number, now: number) =>
  Effect.fail(
    new Problem.CollectionRecreated({
      detail: `"${name}" was destroyed and created again: its id was ${before} and is ${now}; begin again without an id`
    })
  )

type JsonUpdate = Update<StoredJson.Json, StoredJson.Json>

const updatesOf = (given: ReadonlyArray<typeof NewUpdateJson.Type>): ReadonlyArray<JsonUpdate> =>
  given.map(({ diff = 1, ...row }) => ({ ...row, diff }))

/** Rejects updates that cannot be stored, and reports the first of them. */
const checkUpdates = (
  description: Description,
  updates: ReadonlyArray<JsonUpdate>
): Effect.Effect<void, Problem.ValueOutOfRange> => {
  const codec = StoredJson.foreign(description)
  if (codec !== undefined) {
    const detail = `only the program that defines codec "${codec.name}" can write to "${description.name}"`
    return Effect.fail(new Problem.ValueOutOfRange({ detail }))
  }
  const check = StoredJson.makeCheck(description)
  const row = updates.findIndex((update) => check(update) !== undefined)
  return row < 0 ? Effect.void : Effect.fail(
    new Problem.ValueOutOfRange({ detail: `update ${row}: ${check(updates[row]!)!.message}`, row })
  )
}

const durable = (seqNo: number) => ({ seqNo })

/** @internal */
export const layer = (options: Options) =>
  HttpApiBuilder.group(
    Api,
    "collections",
    Effect.fnUntraced(function*(handlers) {
      const client = yield* PersistClient
      const open = (name: string) => Effect.provideService(StoredJson.open(name), PersistClient, client)
      const writing = Effect.fnUntraced(function*(name: string, updates: ReadonlyArray<JsonUpdate>) {
        const { description, writer } = yield* Effect.mapError(open(name), Problem.of)
        yield* checkUpdates(description, updates)
        return writer
      })
      const { measured } = storeOf(client)
      const pace = yield* measured(Pace.make(options.stallTimeout))
      const seats = yield* Seats.make(options.maxSubscribers, measured)
      const fanouts = yield* RcMap.make({
        lookup: (id: number) =>
          Effect.gen(function*() {
            const description = (yield* client.descriptions).find((each) => each.id === id)
            if (description === undefined) return yield* new UnknownCollection({ collection: `${id}` })
            const { reader } = yield* open(description.name)
            return yield* Fanout.make(reader, id, Math.max(description.upper, description.since + 1), options)
          })
      })
      return handlers.handleAll({
        list: () =>
          Effect.mapBoth(client.descriptions, {
            onFailure: Problem.of,
            onSuccess: (all) => all.map(collectionJson)
          }),
        describe: ({ params }) =>
          Effect.mapBoth(open(params.name), {
            onFailure: Problem.of,
            onSuccess: ({ description }) => collectionJson(description)
          }),
        create: ({ params }) =>
          client.createOrLoad(params.name, { key: Codec.json, value: Codec.json }).pipe(
            Effect.andThen(client.description(params.name)),
            Effect.mapBoth({
              onFailure: (error) =>
                error._tag === "ValueOutOfRange"
                  ? new Problem.InvalidName({ detail: error.message })
                  : Problem.of(error),
              onSuccess: collectionJson
            })
          ),
        snapshot: ({ params, query }) =>
          Effect.gen(function*() {
            const { description, reader } = yield* open(params.name)
            const asOf = yield* timeOf(description, query.asOf)
            const { contents } = yield* reader.snapshot({ asOf, wait: false })
            const rows = Stream.map(contents, ([key, value, diff]) => ({ key, value, diff }))
            return HttpServerResponse.stream(pace.guard(ndjson(rows)), {
              contentType: "application/x-ndjson",
              headers: { "tidemark-as-of": `${asOf}`, ...(query.asOf !== undefined && unchanging) }
            })
          }).pipe(Effect.mapError(Problem.of)),
        get: ({ params, query: { asOf, key } }) =>
          Effect.gen(function*() {
            const { description, reader } = yield* open(params.name)
            const values = yield* reader.get(key, { asOf: yield* timeOf(description, asOf), wait: false })
            return values.map(([value, diff]) => ({ key, value, diff }))
          }).pipe(Effect.mapError(Problem.of)),
        range: ({ params, query: { asOf, from, limit = defaultLimit, prefix, to } }) =>
          Effect.gen(function*() {
            const { description, reader } = yield* open(params.name)
            const time = yield* timeOf(description, asOf)
            const page = yield* Pages.first(
              reader.range({
                from,
                to,
                prefix: prefix as KeyRange<StoredJson.Json>["prefix"],
                asOf: time,
                wait: false
              }),
              limit
            )
            return yield* Effect.map(
              HttpServerResponse.json({ asOf: time, ...page }),
              HttpServerResponse.setHeaders(asOf === undefined ? {} : unchanging)
            )
          }).pipe(Effect.catchTag("HttpBodyError", Effect.die), Effect.mapError(Problem.of)),
        history: ({ params, query: { key } }) =>
          Effect.gen(function*() {
            const { reader } = yield* open(params.name)
            return yield* reader.history(key)
          }).pipe(Effect.mapError(Problem.of)),
        changes: ({ params, query }) =>
          Effect.gen(function*() {
            const { description, reader } = yield* open(params.name)
            yield* checkTimes(description, query)
            const rows = Stream.map(reader.changes(query), ([key, value, diff]) => ({ key, value, diff }))
            return HttpServerResponse.stream(pace.guard(ndjson(rows)), {
              contentType: "application/x-ndjson",
              headers: unchanging
            })
          }).pipe(Effect.mapError(Problem.of)),
        subscribe: ({ headers, params, query }) =>
          Effect.gen(function*() {
            const { collection, frontier: from } = resumption(headers["last-event-id"], query.from)
            const { description, reader } = yield* open(params.name)
            if (collection !== undefined && collection !== description.id) {
              return yield* recreated(params.name, collection, description.id)
            }
            // Everything has been delivered; this status keeps browsers from reconnecting.
            if (from === Frontier.empty) return HttpServerResponse.empty({ status: 204 })
            const start = from === undefined ? query : { from }
            yield* checkStart(description, start)
            const fanout = yield* RcMap.get(fanouts, description.id)
            yield* seats.take
            return HttpServerResponse.stream(
              pace.guard(Subscriber.events(reader, description.id, fanout, start, options.heartbeat)),
              {
                contentType: "text/event-stream",
                headers: { "cache-control": "no-store" }
              }
            )
          }).pipe(
            Effect.mapError((error) =>
              error instanceof Problem.TooManySubscribers || error instanceof Problem.CollectionRecreated
                ? error
                : Problem.of(error)
            )
          ),
        write: ({ params, payload }) =>
          Effect.gen(function*() {
            const updates = updatesOf(payload.updates)
            const write = yield* writing(params.name, updates)
            return yield* Effect.mapError(write.append(updates), Problem.of)
          }).pipe(Effect.map(durable)),
        append: ({ params, payload: { expected, upper, ...payload } }) =>
          Effect.gen(function*() {
            const updates = updatesOf(payload.updates)
            const write = yield* writing(params.name, updates)
            return yield* Effect.mapError(write.compareAndAppend(updates, { expected, upper }), Problem.of)
          }).pipe(Effect.map(durable)),
        seal: ({ params, payload }) =>
          Effect.flatMap(open(params.name), ({ writer }) => writer.seal(payload.upper)).pipe(
            Effect.mapBoth({ onFailure: Problem.of, onSuccess: durable })
          ),
        compact: ({ params, payload }) =>
          Effect.flatMap(open(params.name), ({ writer }) => writer.allowCompaction(payload.since)).pipe(
            Effect.mapBoth({ onFailure: Problem.of, onSuccess: durable })
          )
      })
    })
  )
