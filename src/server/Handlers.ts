/**
 * The handlers of the endpoints.
 *
 * @internal
 */
import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import type { CollectionWriter, WriteError } from "../client/CollectionWriter.ts"
import { type Description, PersistClient, type StoredCodec, storeOf } from "../client/PersistClient.ts"
import * as StoredJson from "../client/StoredJson.ts"
import * as Codec from "../Codec.ts"
import type { UpperMismatch } from "../PersistError.ts"
import type { Update } from "../Update.ts"
import { Api } from "./Api.ts"
import * as Pace from "./Pace.ts"
import * as Problem from "./Problem.ts"
import * as Reads from "./Reads.ts"
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
      const pace = yield* storeOf(client).measured(Pace.make(options.stallTimeout))
      const reads = Reads.make(client, pace)
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
        snapshot: ({ params, query }) => reads.snapshot(params.name, query.asOf),
        get: ({ params, query }) => reads.get(params.name, query.key, query.asOf),
        range: ({ params, query }) => reads.range(params.name, query),
        history: ({ params, query }) => reads.history(params.name, query.key),
        changes: ({ params, query }) => reads.changes(params.name, query),
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
