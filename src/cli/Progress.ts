/**
 * A progress bar on standard error, if that is a terminal.
 *
 * @internal
 */
import { Effect, Schedule } from "effect"
import * as Output from "./Output.ts"

export interface Progress {
  /** Sets how much is done. */
  readonly set: (done: number) => void
  readonly add: (done: number) => void
}

export interface Options {
  readonly label: string
  /** The final value of `done`; without it, only the count is shown. */
  readonly total?: number | undefined
  /** How an amount is formatted. Default: as a number. */
  readonly format?: ((amount: number) => string) | undefined
}

const width = 24

/** Returns to the beginning of the line, and clears it. */
const clear = "\r\u001b[K"

/** Drawn ten times a second until the scope closes, and then removed. */
export const make = Effect.fnUntraced(function*({ format = Output.count, label, total }: Options) {
  let done = 0
  const progress: Progress = {
    set: (amount) => void (done = amount),
    add: (amount) => void (done += amount)
  }
  const { error } = yield* Output.Channels
  if (!error.isTTY) return progress
  const draw = Effect.sync(() => void error.write(`${clear}${label} ${picture(done, total, format)}`))
  yield* Effect.addFinalizer(() => Effect.sync(() => void error.write(clear)))
  yield* Effect.forkScoped(Effect.repeat(draw, Schedule.spaced("100 millis")))
  return progress
})

const picture = (done: number, total: number | undefined, format: (amount: number) => string): string => {
  if (total === undefined) return format(done)
  const share = total === 0 ? 1 : Math.min(1, done / total)
  const filled = Math.round(share * width)
  return `[${"#".repeat(filled)}${".".repeat(width - filled)}] ${Math.floor(share * 100)} % of ${format(total)}`
}
