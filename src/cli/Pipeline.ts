/**
 * Appends a long input: rows in batches, with a count of what is durable.
 *
 * A seal is never sent before everything that it covers is durable. A batch with seals waits for the batches before it,
 * and is then appended in one step with the last of its seals. Whatever fails, no time is sealed with rows missing.
 *
 * @internal
 */
import { Effect, type Schema } from "effect"
import * as Frontier from "../Frontier.ts"
import type { Update } from "../Update.ts"
import type * as Delivery from "./Delivery.ts"
import * as Output from "./Output.ts"

type Json = Schema.Json
type Row = Update<Json, Json>

const maxBatchRows = 1000

/** The acknowledged rows and seals. */
export interface Durable {
  readonly updates: number
  readonly upper: Frontier.Frontier
}

/** Nothing is opened or created before there is something to append. */
export const make = Effect.fnUntraced(function*<E, R>(
  open: Effect.Effect<Delivery.Delivery, E, R>,
  upper: Frontier.Frontier
) {
  let opened: Delivery.Delivery | undefined
  let batch: Array<Row> = []
  let seal: Frontier.Frontier | undefined
  let sealed = upper

  const delivery = yield* Effect.cached(Effect.tap(open, (delivery) => Effect.sync(() => void (opened = delivery))))

  const send = (rows: ReadonlyArray<Row>) =>
    rows.length === 0 ? Effect.void : Effect.flatMap(delivery, ({ offer }) => offer(rows))

  const sendSealed = Effect.fnUntraced(function*(rows: ReadonlyArray<Row>, to: Frontier.Frontier) {
    const covered = rows.filter(({ time }) => time < to)
    yield* (yield* delivery).seal(covered, { expected: sealed, upper: to })
    sealed = to
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
    /** Sends the added rows, without waiting for them to be durable. */
    flush,
    /** Waits until everything sent is durable. */
    finish: Effect.flatMap(delivery, ({ drain }) => drain),
    /** Waits for what has been sent, for an input that has ended early: its failures are ignored. */
    abandon: Effect.suspend(() => opened?.abandon ?? Effect.void),
    durable: (): Durable => ({ updates: opened?.durable() ?? 0, upper: sealed })
  }
})

/** A text for what has been acknowledged. */
export const report = ({ updates, upper }: Durable): string =>
  `${Output.counted(updates, "update")} durable, ${
    upper === 0 ? "nothing sealed" : `sealed to ${Frontier.format(upper)}`
  }`
