/**
 * What a language model may ask of a store: reading, and nothing else.
 *
 * @internal
 */
import { Effect, Option, Schema, Stream } from "effect"
import { Tool, Toolkit } from "effect/ai"
import type { CollectionReader, KeyRange } from "../client/CollectionReader.ts"
import { type Description, PersistClient } from "../client/PersistClient.ts"
import * as StoredJson from "../client/StoredJson.ts"
import * as Frontier from "../Frontier.ts"
import * as Pages from "../server/Pages.ts"
import { FrontierJson, RowJson, TimeJson, UpdateJson } from "../server/Rows.ts"
import type { Blob } from "../storage/Blob.ts"
import type { Log } from "../storage/Log.ts"
import { lineOf } from "./Failure.ts"
import * as Footprint from "./Footprint.ts"
import * as Times from "./Times.ts"

const collection = Schema.String.annotate({ description: "The name of a collection, as collections lists it" })
const asOf = Schema.optionalKey(TimeJson).annotate({
  description: "The time to read as of; the last sealed one if absent"
})
const key = Schema.Json.annotate({ description: "A key as JSON, as other tools return it" })
const limit = Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1_000 }))).annotate({
  description: "The most rows to return; 50 if absent"
})

const defaultLimit = 50

/** Failures are part of the answer, in one line: the model can correct its request. */
const answers = { failure: Schema.String, failureMode: "return" } as const

const collections = Tool.make("collections", {
  description: "All collections of the store. Their contents can be read as of every time from since to before upper.",
  success: Schema.Struct({
    collections: Schema.Array(
      Schema.Struct({
        name: Schema.String,
        key: Schema.String,
        value: Schema.String,
        schema: Schema.optionalKey(Schema.Json),
        since: FrontierJson,
        upper: FrontierJson
      })
    )
  }),
  ...answers
})

const contents = Tool.make("contents", {
  description:
    "Rows of a collection as of a time, in the order of their keys. next is the from of the rows after them.",
  parameters: Schema.Struct({
    collection,
    asOf,
    limit,
    prefix: Schema.optionalKey(Schema.Json).annotate({
      description: "Only keys that begin so: a text where keys are texts, an array of first parts where they are tuples"
    }),
    from: Schema.optionalKey(Schema.Json).annotate({ description: "The first key" })
  }),
  success: Schema.Struct({ asOf: TimeJson, rows: Schema.Array(RowJson), next: Schema.optionalKey(Schema.Json) }),
  ...answers
})

const get = Tool.make("get", {
  description: "The values of one key as of a time, each with its multiplicity (diff).",
  parameters: Schema.Struct({ collection, key, asOf }),
  success: Schema.Struct({ asOf: TimeJson, rows: Schema.Array(RowJson) }),
  ...answers
})

const history = Tool.make("history", {
  description: "Every change of one key that is kept, by time: diff 1 added the value, diff -1 took it back.",
  parameters: Schema.Struct({ collection, key }),
  success: Schema.Struct({ updates: Schema.Array(UpdateJson) }),
  ...answers
})

const diff = Tool.make("diff", {
  description: "What differs between the contents as of two times: diff 1 for what came, -1 for what went.",
  parameters: Schema.Struct({ collection, from: TimeJson, to: TimeJson, limit }),
  success: Schema.Struct({ rows: Schema.Array(RowJson), hasMore: Schema.Boolean }),
  ...answers
})

const size = Tool.make("size", {
  description:
    "Why a collection is as large as it is: its stored updates and bytes now, and if all history before its last " +
    "sealed time were given up.",
  parameters: Schema.Struct({ collection }),
  success: Schema.Struct({
    now: Schema.Struct({ updates: Schema.Int, bytes: Schema.Int }),
    withoutHistory: Schema.Struct({ updates: Schema.Int, bytes: Schema.Int })
  }),
  ...answers
})

/** The tools. */
export const toolkit = Toolkit.make(collections, contents, get, history, diff, size)

type Reader = CollectionReader<StoredJson.Json, StoredJson.Json>

const footprint = ({ bytes, rows }: Footprint.Footprint) => ({ updates: rows, bytes })

/** The tools on a store. Each call reads what is committed then. */
export const layer = toolkit.toLayer(Effect.gen(function*() {
  const client = yield* PersistClient
  const storage = yield* Effect.context<Blob | Log>()
  const reading = <A, E>(
    name: string,
    requested: number | undefined,
    use: (reader: Reader, time: number, description: Description) => Effect.Effect<A, E>
  ) =>
    Effect.gen(function*() {
      const { description, reader } = yield* StoredJson.open(name)
      return yield* use(reader, yield* Times.asOf(description, Option.fromUndefinedOr(requested)), description)
    }).pipe(Effect.provideService(PersistClient, client), Effect.mapError(lineOf))
  return toolkit.of({
    collections: () =>
      Effect.mapBoth(client.descriptions, {
        onFailure: lineOf,
        onSuccess: (all) => ({
          collections: all.map(({ key, name, since, upper, value }) => ({
            name,
            key: key.name,
            value: value.name,
            ...(value.document !== "" && { schema: JSON.parse(value.document) as StoredJson.Json }),
            since,
            upper
          }))
        })
      }),
    contents: ({ asOf, collection, from, limit = defaultLimit, prefix }) =>
      reading(collection, asOf, (reader, time) => {
        const range = { from, prefix: prefix as KeyRange<StoredJson.Json>["prefix"], asOf: time, wait: false }
        return Effect.map(Pages.first(reader.range(range), limit), (page) => ({ asOf: time, ...page }))
      }),
    get: ({ asOf, collection, key }) =>
      reading(
        collection,
        asOf,
        (reader, time) =>
          Effect.map(reader.get(key, { asOf: time, wait: false }), (values) => ({
            asOf: time,
            rows: values.map(([value, diff]) => Pages.rowJson([key, value, diff]))
          }))
      ),
    history: ({ collection, key }) =>
      reading(collection, undefined, (reader) => Effect.map(reader.history(key), (updates) => ({ updates }))),
    diff: ({ collection, from, limit = defaultLimit, to }) =>
      reading(
        collection,
        to,
        (reader) =>
          Effect.map(Stream.runCollect(Stream.take(reader.changes({ from, to }), limit + 1)), (found) => ({
            rows: found.slice(0, limit).map(Pages.rowJson),
            hasMore: found.length > limit
          }))
      ),
    size: ({ collection: name }) =>
      Effect.gen(function*() {
        const { collection, state } = yield* Footprint.read(name)
        const last = Frontier.lastSettled(collection.upper) ?? collection.since
        return {
          now: footprint(Footprint.of(collection)),
          withoutHistory: footprint(yield* Footprint.preview(state, collection, last))
        }
      }).pipe(Effect.provideContext(storage), Effect.mapError(lineOf))
  })
}))
