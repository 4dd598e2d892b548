/**
 * Times and frontiers on the command line and in JSON: decimal, and `empty` for the frontier after all times.
 *
 * @internal
 */
import { Effect, Option } from "effect"
import { Argument, Flag } from "effect/cli"
import type { Description } from "../client/PersistClient.ts"
import * as Frontier from "../Frontier.ts"
import { Failure } from "./Failure.ts"

const parse = (text: string): number | undefined => {
  const time = /^\d+$/.test(text) ? Number(text) : NaN
  return Frontier.isTimestamp(time) ? time : undefined
}

const parseFrontier = (text: string): number | undefined => text === "empty" ? Frontier.empty : parse(text)

const expectation = "an integer from 0 to 2^53 - 1"

const required = (read: (text: string) => number | undefined) => (text: string): number => {
  const time = read(text)
  if (time === undefined) throw new RangeError(text)
  return time
}

export const argument = (name: string): Argument.Argument<number> =>
  Argument.String(name).pipe(Argument.mapTryCatch(required(parse), () => expectation))

/** A frontier: a time, or `empty`. */
export const frontierArgument = (name: string): Argument.Argument<number> =>
  Argument.String(name).pipe(Argument.mapTryCatch(required(parseFrontier), () => `${expectation}, or "empty"`))

export const flag = (name: string): Flag.Flag<number> =>
  Flag.String(name).pipe(Flag.mapTryCatch(required(parse), () => expectation), Flag.withMetavar("TIME"))

/** The time to read as of: the requested one, or else the last sealed one. */
export const asOf = (
  { name, upper }: Description,
  requested: Option.Option<number>
): Effect.Effect<number, Failure> => {
  if (Option.isSome(requested)) return Effect.succeed(requested.value)
  const last = Frontier.lastSettled(upper)
  if (last !== undefined) return Effect.succeed(last)
  return Effect.fail(
    new Failure({
      message: `no time of "${name}" is sealed yet, so its contents may still change; ` +
        `seal it (tidemark seal ${name} TIME), or read what there is with tidemark snapshot ${name} --updates`
    })
  )
}
