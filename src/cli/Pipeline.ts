/**
 * Writing a long input: rows in batches, several batches in flight, in order, with an account of what is durable.
 *
 * @internal
 */
import { Deferred, Effect, Exit, type Schema } from "effect"
import * as Rows from "../client/Rows.ts"
import type { Ack, StreamWriteHandle } from "../client/StreamWriteHandle.ts"
import type { Codec } from "../Codec.ts"
import * as Frontier from "../Frontier.ts"
import type { ValueOutOfRange } from "../PersistError.ts"
import type { Update } from "../Update.ts"
import { Failure } from "./Failure.ts"
import * as Output from "./Output.ts"

type Json = Schema.Json

/** A row and the line that it came from. */
export interface Row {
  readonly line: number
  readonly update: Update<Json, Json>
}

const maxBatchRows = 1000
const maxBatchBytes = 1024 * 1024
const maxInFlight = 32

export interface Options {
  readonly write: StreamWriteHandle<Json, Json>
  readonly codecs: { readonly key: Codec<Json>; readonly value: Codec<Json> }
  readonly upper: Frontier.Frontier
}

interface InFlight {
  readonly ack: Ack
  readonly rows: number
  readonly upper: Frontier.Frontier | undefined
}

export const make = ({ codecs, upper, write }: Options) => {
  const inFlight: Array<InFlight> = []
  let batch: Array<Row> = []
  let batchBytes = 0
  /** What has been acknowledged. */
  const durable = { updates: 0, upper }

  /** Waits for the oldest of those in flight. */
  const settle = Effect.gen(function*() {
    const sent = inFlight[0]!
    const reply = yield* Effect.exit(Deferred.await(sent.ack))
    inFlight.shift()
    if (Exit.isSuccess(reply)) {
      durable.updates += sent.rows
      durable.upper = sent.upper ?? durable.upper
    }
    yield* reply
  })

  const track = Effect.fnUntraced(function*(sent: InFlight) {
    inFlight.push(sent)
    if (inFlight.length > maxInFlight) yield* settle
  })

  const send = (rows: ReadonlyArray<Row>) =>
    Effect.flatMap(
      write.offer(rows.map(({ update }) => update)),
      (ack) => track({ ack, rows: rows.length, upper: undefined })
    )

  const flush = Effect.gen(function*() {
    if (batch.length === 0) return
    const rows = batch
    batch = []
    batchBytes = 0
    yield* send(rows).pipe(Effect.catchTag("ValueOutOfRange", (error) => refuse(rows, error)))
  })

  /** Sends the rows before the first that cannot be stored, and fails with the line of that one. */
  const refuse = Effect.fnUntraced(function*(rows: ReadonlyArray<Row>, error: ValueOutOfRange) {
    for (const [index, { line, update }] of rows.entries()) {
      const encoded = yield* Effect.result(Rows.encode(codecs, [update]))
      if (encoded._tag === "Success") continue
      yield* send(rows.slice(0, index))
      return yield* new Failure({ message: `line ${line}: ${encoded.failure.message}` })
    }
    return yield* error
  })

  return {
    /** Adds a row that takes about so many bytes. */
    push: (row: Row, bytes: number) => {
      batch.push(row)
      batchBytes += bytes
      return batch.length >= maxBatchRows || batchBytes >= maxBatchBytes ? flush : Effect.void
    },
    seal: (to: Frontier.Frontier) =>
      Effect.gen(function*() {
        yield* flush
        yield* track({ ack: yield* write.offerSeal(to), rows: 0, upper: to })
      }),
    flush,
    /** Waits until everything sent is durable. */
    drain: Effect.gen(function*() {
      while (inFlight.length > 0) yield* settle
    }),
    /** As `drain`, for an input that has ended early: what fails then is no news. */
    abandon: Effect.gen(function*() {
      while (inFlight.length > 0) yield* Effect.ignore(settle)
    }),
    durable: () => durable
  }
}

/** What has been acknowledged, in words. */
export const report = ({ updates, upper }: { readonly updates: number; readonly upper: Frontier.Frontier }): string =>
  `${Output.counted(updates, "update")} durable, ${
    upper === 0 ? "nothing sealed" : `sealed to ${Frontier.format(upper)}`
  }`
