/**
 * The handlers of the endpoints.
 *
 * @internal
 */
import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { type Description, PersistClient, type StoredCodec, storeOf } from "../client/PersistClient.ts"
import * as StoredJson from "../client/StoredJson.ts"
import * as Codec from "../Codec.ts"
import * as Collection from "../engine/Collection.ts"
import type { State } from "../engine/State.ts"
import { Api } from "./Api.ts"
import * as Changes from "./Changes.ts"
import { Caller, covers } from "./Grants.ts"
import type * as Idempotency from "./Idempotency.ts"
import * as Pace from "./Pace.ts"
import * as Problem from "./Problem.ts"
import * as Reads from "./Reads.ts"
import * as Sizes from "./Sizes.ts"
import * as Subscriptions from "./Subscriptions.ts"
import type { Tickets } from "./Tickets.ts"

export interface Options extends Subscriptions.Options, Idempotency.Options {
  readonly tickets: Tickets
  /** Milliseconds. */
  readonly stallTimeout: number
}

const codecJson = ({ document, name }: StoredCodec) => ({
  name,
  ...(document !== "" && { schema: JSON.parse(document) as StoredJson.Json })
})

/** A collection on the wire, with what the state says of its rows. */
const collectionJson = (state: State, { id, key, name, since, upper, value }: Description) => {
  const stored = state.collections.get(id)
  const firstTime = stored === undefined ? undefined : Collection.firstTime(stored)
  return {
    name,
    id,
    key: codecJson(key),
    value: codecJson(value),
    since,
    upper,
    ...(firstTime !== undefined && { firstTime })
  }
}

/** @internal */
export const layer = (options: Options) =>
  HttpApiBuilder.group(
    Api,
    "collections",
    Effect.fnUntraced(function*(handlers) {
      const client = yield* PersistClient
      const toJson = (description: Description) => collectionJson(storeOf(client).state(), description)
      const open = (name: string) => Effect.provideService(StoredJson.open(name), PersistClient, client)
      const pace = yield* storeOf(client).measured(Pace.make(options.stallTimeout))
      const reads = Reads.make(client, pace)
      const changes = yield* Changes.make(client, options)
      const { connected, subscribe } = yield* Subscriptions.make(client, pace, options)
      const sizes = Sizes.make(client, connected)
      return handlers.handleAll({
        list: () =>
          Effect.gen(function*() {
            const caller = yield* Caller
            const all = yield* Effect.mapError(client.descriptions, Problem.of)
            return all.filter(({ name }) => covers(caller, name)).map(toJson)
          }),
        describe: ({ params }) =>
          Effect.mapBoth(open(params.name), {
            onFailure: Problem.of,
            onSuccess: ({ description }) => toJson(description)
          }),
        create: ({ params }) =>
          client.createOrLoad(params.name, { key: Codec.json, value: Codec.json }).pipe(
            Effect.andThen(client.description(params.name)),
            Effect.mapBoth({
              onFailure: (error) =>
                error._tag === "ValueOutOfRange"
                  ? new Problem.InvalidName({ detail: error.message })
                  : Problem.of(error),
              onSuccess: toJson
            })
          ),
        snapshot: ({ params, query }) => reads.snapshot(params.name, query.asOf),
        get: ({ params, query }) => reads.get(params.name, query.key, query.asOf),
        range: ({ params, query }) => reads.range(params.name, query),
        history: ({ params, query }) => reads.history(params.name, query.key),
        changes: ({ params, query }) => reads.changes(params.name, query),
        footprint: ({ params }) => sizes.footprint(params.name),
        rehearsal: ({ params, query }) => sizes.rehearsal(params.name, query.since),
        store: () => sizes.store,
        subscribe: ({ headers, params, query }) => subscribe(params.name, headers["last-event-id"], query),
        ticket: ({ params }) =>
          Effect.andThen(Effect.mapError(open(params.name), Problem.of), options.tickets.issue(params.name)),
        write: (request) =>
          changes.append("write", request, request.payload.updates, (writer, updates) => writer.append(updates)),
        append: (request) => {
          const { expected, updates, upper } = request.payload
          return changes.append("append", request, updates, (writer, rows) =>
            writer.compareAndAppend(rows, { expected, upper }))
        },
        seal: (request) =>
          changes.advance("seal", request, (writer) =>
            writer.seal(request.payload.upper)),
        compact: (request) =>
          changes.advance("compact", request, (writer) =>
            writer.allowCompaction(request.payload.since))
      })
    })
  )
