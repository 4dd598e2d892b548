/**
 * Writing a long input: rows in batches, several batches in flight, in order, with an account of what is durable.
 *
 * A seal is never sent before everything that it covers is durable: a batch with seals waits for those before it, and is
 * then appended in one step with the last of its seals. So, whatever fails, no time is sealed with rows missing.
 *
 * @internal
 */
import { Deferred, Effect, Exit, type Schema } from "effect"
import type { Ack, CollectionWriter } from "../client/CollectionWriter.ts"
import * as Frontier from "../Frontier.ts"
import type { Update } from "../Update.ts"
import * as Output from "./Output.ts"

type Json = Schema.Json
type Row = Update<Json, Json>

const maxBatchRows = 1000
const maxInFlight = 32

interface InFlight {
  readonly ack: Ack
  readonly rows: number
}

/** What has been acknowledged. */
export interface Durable {
  readonly updates: number
  readonly upper: Frontier.Frontier
}

export const make = (write: CollectionWriter<Json, Json>, upper: Frontier.Frontier) => {
  const inFlight: Array<InFlight> = []
  let batch: Array<Row> = []
  let seal: Frontier.Frontier | undefined
  let durable: Durable = { updates: 0, upper }

  /** Waits for the oldest of those in flight. */
  const settle = Effect.gen(function*() {
    const { ack, rows } = inFlight[0]!
    const reply = yield* Effect.exit(Deferred.await(ack))
    inFlight.shift()
    if (Exit.isSuccess(reply)) durable = { ...durable, updates: durable.updates + rows }
    yield* reply
  })

  /** Waits until everything sent is durable. */
  const drain = Effect.gen(function*() {
    while (inFlight.length > 0) yield* settle
  })

  const send = Effect.fnUntraced(function*(rows: ReadonlyArray<Row>) {
    if (rows.length === 0) return
    inFlight.push({ ack: yield* write.offer(rows), rows: rows.length })
    if (inFlight.length > maxInFlight) yield* settle
  })

  const sendSealed = Effect.fnUntraced(function*(rows: ReadonlyArray<Row>, to: Frontier.Frontier) {
    yield* drain
    const covered = rows.filter(({ time }) => time < to)
    yield* write.compareAndAppend(covered, { expected: durable.upper, upper: to })
    durable = { updates: durable.updates + covered.length, upper: to }
    yield* send(rows.filter(({ time }) => time >= to))
  })

  const flush = Effect.suspend(() => {
    const rows = batch
    const to = seal
    batch = []
    seal = undefined
    return to === undefined ? send(rows) : sendSealed(rows, to)
  })

  return {
    push: (row: Row) => {
      batch.push(row)
      return batch.length >= maxBatchRows ? flush : Effect.void
    },
    /** Seals behind the rows so far. Of several seals of a batch, the last one counts. */
    seal: (to: Frontier.Frontier): void => void (seal = to),
    /** Sends what has been added, without waiting for it to be durable. */
    flush,
    drain,
    /** As `drain`, for an input that has ended early: what fails then is no news. */
    abandon: Effect.gen(function*() {
      while (inFlight.length > 0) yield* Effect.ignore(settle)
    }),
    durable: () => durable
  }
}

/** What has been acknowledged, in words. */
export const report = ({ updates, upper }: Durable): string =>
  `${Output.counted(updates, "update")} durable, ${
    upper === 0 ? "nothing sealed" : `sealed to ${Frontier.format(upper)}`
  }`
