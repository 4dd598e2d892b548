/**
 * Updates as lines of JSON: `{"key":...,"value":...,"time":n,"diff":n}`, where `diff` is 1 if absent, and `{"seal":n}`,
 * which declares times before `n` complete.
 *
 * @since 0.1.0
 */
import { type Schema, Stream } from "effect"
import type { CollectionEvent } from "../client/CollectionEvent.ts"
import * as ExactJson from "../ExactJson.ts"
import * as Frontier from "../Frontier.ts"
import type { InvalidInput } from "../PersistError.ts"
import type { Update } from "../Update.ts"
import * as Intake from "./Intake.ts"
import * as Line from "./Line.ts"

type Json = Schema.Json

/**
 * Decodes bytes to a flow: rows in batches, and progress for every seal. Lines may end with CR LF. Empty lines are
 * ignored.
 *
 * Fails with `InvalidInput` at the first wrong line, after everything before it was emitted. A line is wrong if it is
 * not JSON or has another form, has an integer beyond 2^53 that would be rounded, or a time that a previous seal has
 * made complete.
 *
 * @example
 * ```ts
 * import { Effect, Stream } from "effect"
 * import { Ndjson } from "tidemark/formats"
 *
 * const lines = `{"key":"o-1","value":"placed","time":1}\n{"seal":2}\n`
 * const events = await Effect.runPromise(
 *   Stream.make(new TextEncoder().encode(lines)).pipe(Ndjson.decode, Stream.runCollect)
 * )
 * if (events[0]?._tag !== "Updates" || events[1]?._tag !== "Progress") throw new Error("a row, and progress")
 * ```
 *
 * @category sources
 * @since 0.1.0
 */
export const decode = <E, R>(
  bytes: Stream.Stream<Uint8Array, E, R>
): Stream.Stream<CollectionEvent<Json, Json>, E | InvalidInput, R> => decodeThrough(Intake.open)(bytes)

/** @internal */
export const decodeThrough =
  (gate: Intake.Gate<Json, Json>) =>
  <E, R>(bytes: Stream.Stream<Uint8Array, E, R>): Stream.Stream<CollectionEvent<Json, Json>, E | InvalidInput, R> =>
    Stream.suspend(() => {
      const intake = Intake.make<Json, Json>("NDJSON", "line", gate)
      let number = 0
      const take = (line: Said): InvalidInput | undefined => {
        switch (line._tag) {
          case "Row":
            return intake.row(line.update, number)
          case "Seal":
            return intake.seal(line.upper, number)
          case "Bad":
            return intake.invalid(number, "Malformed", line.detail)
          case "Blank":
            return undefined
        }
      }
      const takeAll = (lines: ReadonlyArray<Uint8Array>) => {
        for (const line of lines) {
          number++
          const error = take(parse(line))
          if (error !== undefined) return intake.taken(error)
        }
        return intake.taken()
      }
      return Intake.eventsOf(Stream.map(Line.lines("NDJSON", bytes), takeAll))
    })

const encoder = new TextEncoder()

/**
 * Encodes a flow as lines that `decode` reads: rows, and a seal for every progress, in batches as the rows arrive.
 *
 * @see {@link decode}
 *
 * @category sinks
 * @since 0.1.0
 */
export const encode = <E, R>(
  flow: Stream.Stream<CollectionEvent<Json, Json>, E, R>
): Stream.Stream<Uint8Array, E, R> =>
  Stream.map(flow, (event) =>
    encoder.encode(
      event._tag === "Updates"
        ? event.updates.map(({ diff, key, time, value }) => Line.write({ key, value, time, diff })).join("")
        : Line.write({ seal: Frontier.toJson(event.frontier) })
    ))

/**
 * Encodes the contents of a snapshot as lines `{"key":...,"value":...,"diff":n}`.
 *
 * @category sinks
 * @since 0.1.0
 */
export const contents = <E, R>(
  rows: Stream.Stream<readonly [key: Json, value: Json, multiplicity: number], E, R>
): Stream.Stream<Uint8Array, E, R> =>
  rows.pipe(
    Stream.chunks,
    Stream.map((chunk) => encoder.encode(chunk.map(([key, value, diff]) => Line.write({ key, value, diff })).join("")))
  )

/** The content of a line. */
type Said =
  | { readonly _tag: "Row"; readonly update: Update<Json, Json> }
  | { readonly _tag: "Seal"; readonly upper: Frontier.Frontier }
  | { readonly _tag: "Blank" }
  | { readonly _tag: "Bad"; readonly detail: string }

const fields = new Set(["key", "value", "time", "diff"])

const parse = (bytes: Uint8Array): Said => {
  const line = Line.read(bytes)
  if (line === undefined) return { _tag: "Blank" }
  if ("detail" in line) return bad(line.detail)
  const said = ofJson(line.json)
  if (!line.isInexact || said._tag !== "Row") return said
  const part = (["key", "value"] as const).find((part) => ExactJson.hasInexact(said.update[part]))
  return part === undefined ? said : bad(`its ${part} ${ExactJson.refusal}`)
}

const ofJson = (json: unknown): Said => {
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    return bad(`it must be {"key":...,"value":...,"time":n,"diff":n} or {"seal":n}`)
  }
  return "seal" in json ? seal(json) : row(json)
}

const seal = (json: { readonly seal: unknown }): Said => {
  if (Object.keys(json).length > 1) return bad(`a seal has no other field than "seal"`)
  // The line that `tail` prints at the end of a finished collection.
  if (json.seal === "empty") return { _tag: "Seal", upper: Frontier.empty }
  return Frontier.isTimestamp(json.seal)
    ? { _tag: "Seal", upper: json.seal + 0 }
    : bad(`"seal" must be an integer from 0 to 2^53 - 1, but is ${kindOf(json.seal)}`)
}

const row = (json: object): Said => {
  const unknown = Object.keys(json).find((field) => !fields.has(field))
  if (unknown !== undefined) return bad(`it has an unknown field ${JSON.stringify(unknown.slice(0, 40))}`)
  const { diff = 1, key, time, value }: { key?: Json; value?: Json; time?: unknown; diff?: unknown } = json
  if (key === undefined) return bad(`"key" is missing`)
  if (value === undefined) return bad(`"value" is missing`)
  if (time === undefined) return bad(`"time" is missing`)
  if (!Frontier.isTimestamp(time)) return bad(`"time" must be an integer from 0 to 2^53 - 1, but is ${kindOf(time)}`)
  if (typeof diff !== "number" || !Number.isSafeInteger(diff)) {
    return bad(`"diff" must be an integer within 2^53 - 1, but is ${kindOf(diff)}`)
  }
  // Adding 0 makes 0 of -0.
  return { _tag: "Row", update: { key, value, time: time + 0, diff: diff + 0 } }
}

const bad = (detail: string): Said => ({ _tag: "Bad", detail })

/** Describes a wrong value without quoting it. */
const kindOf = (value: unknown): string => {
  if (value === null) return "null"
  if (Array.isArray(value)) return "an array"
  if (value instanceof ExactJson.Inexact) return "too great"
  if (typeof value !== "number") return typeof value === "string" ? "a text" : `a ${typeof value}`
  if (!Number.isInteger(value)) return "a fraction"
  return value < 0 ? "a negative number" : "too great"
}
