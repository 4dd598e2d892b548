/**
 * The handlers of the endpoints.
 *
 * @internal
 */
import { Effect, Stream } from "effect"
import { HttpServerResponse } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import type { CollectionWriter, WriteError } from "../client/CollectionWriter.ts"
import { type Description, PersistClient, type StoredCodec } from "../client/PersistClient.ts"
import * as StoredJson from "../client/StoredJson.ts"
import * as Codec from "../Codec.ts"
import * as Frontier from "../Frontier.ts"
import { AsOfNotSealed, type UpperMismatch } from "../PersistError.ts"
import type { Update } from "../Update.ts"
import { Api } from "./Api.ts"
import * as Pace from "./Pace.ts"
import * as Problem from "./Problem.ts"
import { type NewUpdateJson } from "./Rows.ts"
import * as Subscriptions from "./Subscriptions.ts"

export interface Options extends Subscriptions.Options {
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

type JsonUpdate = Update<StoredJson.Json, StoredJson.Json>

type GivenUpdates = ReadonlyArray<typeof NewUpdateJson.Type>

const updatesOf = (given: GivenUpdates): ReadonlyArray<JsonUpdate> =>
  given.map(({ diff = 1, ...row }) => ({ ...row, diff }))

/** How updates are appended. */
type Append = (
  writer: CollectionWriter<StoredJson.Json, StoredJson.Json>,
  updates: ReadonlyArray<JsonUpdate>
) => Effect.Effect<number, WriteError | UpperMismatch>

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
      const writing = Effect.fnUntraced(function*(name: string, given: GivenUpdates, append: Append) {
        const updates = updatesOf(given)
        const { description, writer } = yield* Effect.mapError(open(name), Problem.of)
        yield* checkUpdates(description, updates)
        return durable(yield* Effect.mapError(append(writer, updates), Problem.of))
      })
      const pace = yield* Pace.make(options.stallTimeout)
      const subscribe = yield* Subscriptions.make(client, pace, options)
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
              headers: { "tidemark-as-of": `${asOf}` }
            })
          }).pipe(Effect.mapError(Problem.of)),
        get: ({ params, query: { asOf, key } }) =>
          Effect.gen(function*() {
            const { description, reader } = yield* open(params.name)
            const values = yield* reader.get(key, { asOf: yield* timeOf(description, asOf), wait: false })
            return values.map(([value, diff]) => ({ key, value, diff }))
          }).pipe(Effect.mapError(Problem.of)),
        subscribe: ({ headers, params, query }) => subscribe(params.name, headers["last-event-id"], query),
        write: ({ params, payload }) =>
          writing(params.name, payload.updates, (writer, updates) => writer.append(updates)),
        append: ({ params, payload: { expected, updates, upper } }) =>
          writing(params.name, updates, (writer, rows) => writer.compareAndAppend(rows, { expected, upper })),
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
