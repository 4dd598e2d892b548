/**
 * Reading a collection over HTTP: its contents as a whole or in pages, one key, and what differs between two times.
 *
 * @internal
 */
import { Effect, Stream } from "effect"
import { HttpServerResponse } from "effect/http"
import type { KeyRange } from "../client/CollectionReader.ts"
import { type Description, PersistClient } from "../client/PersistClient.ts"
import * as StoredJson from "../client/StoredJson.ts"
import * as Frontier from "../Frontier.ts"
import { AsOfBeforeSince, AsOfNotSealed } from "../PersistError.ts"
import type * as Pace from "./Pace.ts"
import * as Pages from "./Pages.ts"
import * as Problem from "./Problem.ts"

/** Which rows a page has: those of a range of keys, up to a number of them. */
export interface PageQuery {
  readonly asOf?: number | undefined
  readonly from?: StoredJson.Json | undefined
  readonly to?: StoredJson.Json | undefined
  readonly prefix?: StoredJson.Json | undefined
  readonly limit?: number | undefined
}

interface Times {
  readonly from: number
  readonly to: number
}

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

/** Rejects times that cannot be compared, before a response has begun. */
const checkTimes = Effect.fnUntraced(function*(
  { name, since, upper }: Description,
  times: Times
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

/** JSON as of the time that a request names, if it names one. */
const json = (body: unknown, requested: number | undefined) =>
  Effect.map(
    Effect.orDie(HttpServerResponse.json(body)),
    HttpServerResponse.setHeaders(requested === undefined ? {} : unchanging)
  )

export const make = (client: PersistClient["Service"], pace: Pace.Pace) => {
  const open = (name: string) => Effect.provideService(StoredJson.open(name), PersistClient, client)
  const lines = <E>(
    rows: Stream.Stream<readonly [StoredJson.Json, StoredJson.Json, number], E>,
    headers: Record<string, string>
  ) =>
    HttpServerResponse.stream(
      pace.guard(ndjson(Stream.map(rows, Pages.rowJson))),
      { contentType: "application/x-ndjson", headers }
    )

  return {
    snapshot: (name: string, requested: number | undefined) =>
      Effect.gen(function*() {
        const { description, reader } = yield* open(name)
        const asOf = yield* timeOf(description, requested)
        const { contents } = yield* reader.snapshot({ asOf, wait: false })
        return lines(contents, { "tidemark-as-of": `${asOf}`, ...(requested !== undefined && unchanging) })
      }).pipe(Effect.mapError(Problem.of)),
    get: (name: string, key: StoredJson.Json, asOf: number | undefined) =>
      Effect.gen(function*() {
        const { description, reader } = yield* open(name)
        const values = yield* reader.get(key, { asOf: yield* timeOf(description, asOf), wait: false })
        return yield* json(values.map(([value, diff]) => Pages.rowJson([key, value, diff])), asOf)
      }).pipe(Effect.mapError(Problem.of)),
    range: (name: string, { asOf, from, limit = defaultLimit, prefix, to }: PageQuery) =>
      Effect.gen(function*() {
        const { description, reader } = yield* open(name)
        const time = yield* timeOf(description, asOf)
        const page = yield* Pages.first(
          reader.range({ from, to, prefix: prefix as KeyRange<StoredJson.Json>["prefix"], asOf: time, wait: false }),
          limit
        )
        return yield* json({ asOf: time, ...page }, asOf)
      }).pipe(Effect.mapError(Problem.of)),
    history: (name: string, key: StoredJson.Json) =>
      Effect.flatMap(open(name), ({ reader }) => reader.history(key)).pipe(Effect.mapError(Problem.of)),
    changes: (name: string, times: Times) =>
      Effect.gen(function*() {
        const { description, reader } = yield* open(name)
        yield* checkTimes(description, times)
        return lines(reader.changes(times), unchanging)
      }).pipe(Effect.mapError(Problem.of))
  }
}
