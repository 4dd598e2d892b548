/**
 * Changing a collection over HTTP: appending, sealing, giving history up; each once for each idempotency key.
 *
 * @internal
 */
import { Effect } from "effect"
import type { Headers } from "effect/http"
import type { CollectionWriter, WriteError } from "../client/CollectionWriter.ts"
import { type Description, PersistClient } from "../client/PersistClient.ts"
import * as StoredJson from "../client/StoredJson.ts"
import type { UpperMismatch } from "../PersistError.ts"
import type { Update } from "../Update.ts"
import { Caller } from "./Grants.ts"
import * as Idempotency from "./Idempotency.ts"
import * as Problem from "./Problem.ts"
import type { NewUpdateJson } from "./Rows.ts"

type JsonUpdate = Update<StoredJson.Json, StoredJson.Json>

type JsonWriter = CollectionWriter<StoredJson.Json, StoredJson.Json>

export type GivenUpdates = ReadonlyArray<typeof NewUpdateJson.Type>

const updatesOf = (given: GivenUpdates): ReadonlyArray<JsonUpdate> =>
  given.map(({ diff = 1, ...row }) => ({ ...row, diff }))

/** How updates are appended. */
type Append = (
  writer: JsonWriter,
  updates: ReadonlyArray<JsonUpdate>
) => Effect.Effect<number, WriteError | UpperMismatch>

/** A request that changes a collection. */
interface Changing {
  readonly params: { readonly name: string }
  readonly request: { readonly headers: Headers.Headers }
  readonly payload: unknown
}

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

export const make = Effect.fnUntraced(function*(client: PersistClient["Service"], options: Idempotency.Options) {
  const idempotency = yield* Idempotency.make(options)
  const open = (name: string) => Effect.provideService(StoredJson.open(name), PersistClient, client)

  const once = <A, E>(operation: string, { params, payload, request }: Changing, change: Effect.Effect<A, E>) =>
    Effect.flatMap(Caller, (caller) => {
      const key = request.headers[Idempotency.header]
      return idempotency.once({ caller, key, operation: `${operation} ${params.name}`, payload }, change)
    })
  return {
    /** Appends updates, all or none. */
    append: (operation: string, request: Changing, given: GivenUpdates, append: Append) =>
      once(
        operation,
        request,
        Effect.gen(function*() {
          const updates = updatesOf(given)
          const { description, writer } = yield* Effect.mapError(open(request.params.name), Problem.of)
          yield* checkUpdates(description, updates)
          return durable(yield* Effect.mapError(append(writer, updates), Problem.of))
        })
      ),
    /** Moves a frontier. */
    advance: (
      operation: string,
      request: Changing,
      advance: (writer: JsonWriter) => Effect.Effect<number, WriteError>
    ) =>
      once(
        operation,
        request,
        Effect.flatMap(open(request.params.name), ({ writer }) => advance(writer)).pipe(
          Effect.mapBoth({ onFailure: Problem.of, onSuccess: durable })
        )
      )
  }
})
