/**
 * The HTTP API: its endpoints and the form of their responses. The module has no implementation, so that clients can
 * share it. `OpenApi.fromApi(Api)` describes it for programs in other languages.
 *
 * @since 0.1.0
 */
import { Schema } from "effect"
import {
  HttpApi,
  HttpApiEndpoint,
  HttpApiGroup,
  HttpApiMiddleware,
  HttpApiSchema,
  HttpApiSecurity,
  OpenApi
} from "effect/http-api"
import { version } from "../Version.ts"
import * as Footprints from "./Footprints.ts"
import type { Caller } from "./Grants.ts"
import * as Problem from "./Problem.ts"
import { FrontierJson, NewUpdateJson, RowJson, SubscriptionId, TimeJson, UpdateJson } from "./Rows.ts"

/**
 * Requires a token that allows the request, if the server has tokens.
 *
 * @category middleware
 * @since 0.1.0
 */
export class Authorization
  extends HttpApiMiddleware.Service<Authorization, { provides: Caller }>()("tidemark/server/Authorization", {
    security: { bearer: HttpApiSecurity.bearer },
    error: [Problem.Unauthorized, Problem.Forbidden]
  })
{}

/**
 * Rejects requests whose bytes are not UTF-8, or whose integers would be rounded.
 *
 * @category middleware
 * @since 0.1.0
 */
export class Exact extends HttpApiMiddleware.Service<Exact>()("tidemark/server/Exact", {
  error: Problem.Inexact
}) {}

const CodecJson = Schema.Struct({
  name: Schema.String,
  /** The JSON Schema of the values, where the codec has one. */
  schema: Schema.optionalKey(Schema.Json)
})

/**
 * A collection: its codecs and frontiers.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Collection = Schema.Struct({
  name: Schema.String,
  id: Schema.Int,
  key: CodecJson,
  value: CodecJson,
  since: FrontierJson,
  upper: FrontierJson,
  /** The first time at which an update is stored, if there is any; as compaction has left it. */
  firstTime: Schema.optionalKey(TimeJson)
})

/**
 * What a subscriber receives, as server-sent events.
 *
 * - `updates`: updates at times that are complete, consolidated.
 * - `progress`: every update at a time before the frontier has been delivered. The id of the event names the collection
 *   and the frontier. A client that stores the delivered updates together with this id can resume there.
 * - `problem`: the stream cannot go on, and ends.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Event = Schema.Union([
  Schema.Struct({
    event: Schema.Literal("updates"),
    id: Schema.optional(Schema.String),
    data: Schema.fromJsonString(Schema.Array(UpdateJson))
  }),
  Schema.Struct({
    event: Schema.Literal("progress"),
    id: Schema.optional(Schema.String),
    data: Schema.fromJsonString(Schema.Struct({ frontier: FrontierJson }))
  }),
  Schema.Struct({
    event: Schema.Literal("problem"),
    id: Schema.optional(Schema.String),
    data: Schema.fromJsonString(
      Schema.Struct({ type: Schema.String, status: Schema.Number, title: Schema.String, detail: Schema.String })
    )
  })
])

/** A row may have 16 MiB; its JSON may be larger. */
const maxElementBytes = 128 * 1024 * 1024

const params = { name: Schema.String }

const asOf = { asOf: Schema.optional(TimeJson) }

/** A key as JSON text, in a query. */
const KeyQuery = Schema.fromJsonString(Schema.Json)

const PageSize = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 10_000 }))

/**
 * A page of contents. All values of a key are on one page. `next` is absent on the last page.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Page = Schema.Struct({
  asOf: TimeJson,
  rows: Schema.Array(RowJson),
  next: Schema.optionalKey(Schema.Json)
})

/**
 * A ticket for the events of one collection: `ticket` of their query. It can begin a subscription until it expires.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Ticket = Schema.Struct({ ticket: Schema.String, expiresInSeconds: Schema.Int })

const Durable = Schema.Struct({ seqNo: Schema.Int })

const updates = { updates: Schema.Array(NewUpdateJson) }

/**
 * The endpoints about collections.
 *
 * @category api
 * @since 0.1.0
 */
export class Collections extends HttpApiGroup.make("collections").add(
  HttpApiEndpoint.get("list", "/collections", {
    success: Schema.Array(Collection),
    error: Problem.reading
  }).annotate(OpenApi.Summary, "All collections"),
  HttpApiEndpoint.get("describe", "/collections/:name", {
    params,
    success: Collection,
    error: Problem.reading
  }).annotate(OpenApi.Summary, "One collection"),
  HttpApiEndpoint.put("create", "/collections/:name", {
    params,
    success: Collection,
    error: [...Problem.writing, Problem.InvalidName]
  }).annotate(OpenApi.Summary, "Makes a collection of JSON keys and values, if there is none"),
  HttpApiEndpoint.get("snapshot", "/collections/:name/snapshot", {
    params,
    query: asOf,
    success: HttpApiSchema.StreamNdjson({ schema: RowJson, maxElementBytes }),
    error: Problem.reading
  }).annotate(OpenApi.Summary, "The contents as of a time, else the last sealed one; header Tidemark-As-Of says which"),
  HttpApiEndpoint.get("get", "/collections/:name/values", {
    params,
    query: { ...asOf, key: KeyQuery },
    success: Schema.Array(RowJson),
    error: Problem.reading
  }).annotate(OpenApi.Summary, "The values of one key, which is given as JSON"),
  HttpApiEndpoint.get("range", "/collections/:name/range", {
    params,
    query: {
      ...asOf,
      from: Schema.optional(KeyQuery),
      to: Schema.optional(KeyQuery),
      prefix: Schema.optional(KeyQuery),
      limit: Schema.optional(PageSize)
    },
    success: Page,
    error: Problem.reading
  }).annotate(OpenApi.Summary, "A page of the contents in the order of keys; next is the from of the page after it"),
  HttpApiEndpoint.get("history", "/collections/:name/history", {
    params,
    query: { key: KeyQuery },
    success: Schema.Array(UpdateJson),
    error: Problem.reading
  }).annotate(OpenApi.Summary, "The updates of one key that are kept, by time"),
  HttpApiEndpoint.get("changes", "/collections/:name/changes", {
    params,
    query: { from: TimeJson, to: TimeJson },
    success: HttpApiSchema.StreamNdjson({ schema: RowJson, maxElementBytes }),
    error: Problem.reading
  }).annotate(
    OpenApi.Summary,
    "What differs between the contents as of two times; a row that went has a negative diff"
  ),
  HttpApiEndpoint.get("footprint", "/collections/:name/footprint", {
    params,
    success: Footprints.Footprint,
    error: Problem.reading
  }).annotate(OpenApi.Summary, "Why it is as large as it is: its batches by their times, and its largest keys"),
  HttpApiEndpoint.get("rehearsal", "/collections/:name/rehearsal", {
    params,
    query: { since: TimeJson },
    success: Footprints.Rehearsal,
    error: Problem.reading
  }).annotate(OpenApi.Summary, "What giving up the history before since would free; nothing is changed"),
  HttpApiEndpoint.get("store", "/store", {
    success: Footprints.Store,
    error: Problem.reading
  }).annotate(OpenApi.Summary, "The sizes of all collections, named holds, and subscribers with how far they are"),
  HttpApiEndpoint.get("subscribe", "/collections/:name/events", {
    params,
    query: { ...asOf, from: Schema.optional(FrontierJson), ticket: Schema.optional(Schema.String) },
    headers: { "last-event-id": Schema.optional(SubscriptionId) },
    success: HttpApiSchema.StreamSse({ events: Event }),
    error: [...Problem.reading, Problem.TooManySubscribers, Problem.CollectionRecreated]
  }).annotate(OpenApi.Summary, "Complete times as they come, from a time or a frontier on; 204 where nothing is left"),
  HttpApiEndpoint.post("ticket", "/collections/:name/tickets", {
    params,
    success: Ticket,
    error: Problem.reading
  }).annotate(OpenApi.Summary, "A ticket with which a browser can subscribe soon, instead of the token"),
  HttpApiEndpoint.post("write", "/collections/:name/updates", {
    params,
    payload: Schema.Struct(updates),
    success: Durable,
    error: Problem.writing
  }).annotate(OpenApi.Summary, "Writes updates, all or none"),
  HttpApiEndpoint.post("append", "/collections/:name/append", {
    params,
    payload: Schema.Struct({ ...updates, expected: FrontierJson, upper: FrontierJson }),
    success: Durable,
    error: Problem.writing
  }).annotate(OpenApi.Summary, "Writes and seals in one step, if the upper is the expected one: safe to try again"),
  HttpApiEndpoint.post("seal", "/collections/:name/seal", {
    params,
    payload: Schema.Struct({ upper: FrontierJson }),
    success: Durable,
    error: Problem.writing
  }).annotate(OpenApi.Summary, "Makes all times before the upper complete"),
  HttpApiEndpoint.post("compact", "/collections/:name/since", {
    params,
    payload: Schema.Struct({ since: FrontierJson }),
    success: Durable,
    error: Problem.writing
  }).annotate(OpenApi.Summary, "Gives up the history before since")
).middleware(Exact).middleware(Authorization).middleware(HttpApiMiddleware.ProblemDetails) {}

/**
 * The API as a whole.
 *
 * @category api
 * @since 0.1.0
 */
export class Api extends HttpApi.make("tidemark").add(Collections).annotateMerge(
  OpenApi.annotations({
    title: "Tidemark",
    version,
    description: "Durable, time-versioned, differential collections"
  })
) {}
