/**
 * The reference workload of the crash enumerations, and the account of it: the reply to each command.
 *
 * Commands come in groups. Those of a group are offered together, so that they share commits; the next group begins when
 * all of them have their reply. Maintenance is a group that changes nothing a reader could see.
 */
import { Deferred, Effect, Result } from "effect"
import * as MultiWriter from "../../src/client/MultiWriter.ts"
import type * as PersistClient from "../../src/client/PersistClient.ts"
import * as Prng from "../../src/testing/Prng.ts"
import * as Update from "../../src/Update.ts"
import * as Model from "../utils/Model.ts"
import * as Store from "../utils/Store.ts"

type Client = PersistClient.PersistClient["Service"]

/** The collections that there are, those without anything in them left out. */
export type Contents = ReadonlyMap<string, Model.Model>

export interface Command {
  readonly run: (client: Client) => Effect.Effect<Effect.Effect<unknown, { readonly _tag: string }>, unknown>
  readonly apply: (contents: Contents) => Contents
}

export type Group = ReadonlyArray<Command>

/** What is known of a command: nothing yet, that it is durable, or that it has not happened. */
export type Fate = "open" | "acknowledged" | "refused"

const changed = (
  contents: Contents,
  name: string,
  change: (model: Model.Model) => Model.Model
): Contents => new Map(contents).set(name, change(contents.get(name) ?? Model.make()))

const handles = (client: Client, name: string) => client.createOrLoad(name, { ...Store.text, recreate: true })

/** A command that has its reply when it returns. */
const whole = (
  run: (client: Client) => Effect.Effect<unknown, { readonly _tag: string }>,
  apply: Command["apply"]
): Command => ({ run: (client) => Effect.succeed(run(client)), apply })

const added = (rows: ReadonlyArray<Model.Row>) => (model: Model.Model): Model.Model => ({
  ...model,
  updates: [...model.updates, ...rows]
})

const write = (name: string, rows: ReadonlyArray<Model.Row>): Command => ({
  run: (client) =>
    Effect.map(Effect.flatMap(handles(client, name), ({ writer }) => writer.offer(rows)), (ack) => Deferred.await(ack)),
  apply: (contents) => changed(contents, name, added(rows))
})

const seal = (name: string, upper: number): Command => ({
  run: (client) =>
    Effect.map(
      Effect.flatMap(handles(client, name), ({ writer }) => writer.offerSeal(upper)),
      (ack) => Deferred.await(ack)
    ),
  apply: (contents) => changed(contents, name, (model) => ({ ...model, upper: Math.max(model.upper, upper) }))
})

const allowCompaction = (name: string, since: number): Command =>
  whole(
    (client) => Effect.flatMap(handles(client, name), ({ writer }) => writer.allowCompaction(since)),
    (contents) => changed(contents, name, (model) => ({ ...model, since: Math.max(model.since, since) }))
  )

const compareAndAppend = (name: string, rows: ReadonlyArray<Model.Row>, expected: number): Command =>
  whole(
    (client) =>
      Effect.flatMap(
        handles(client, name),
        ({ writer }) => writer.compareAndAppend(rows, { expected, upper: expected + 1 })
      ),
    (contents) => changed(contents, name, (model) => ({ ...added(rows)(model), upper: expected + 1 }))
  )

const writeBoth = (names: readonly [string, string], rows: ReadonlyArray<Model.Row>): Command =>
  whole(
    Effect.fnUntraced(function*(client) {
      const both = yield* Effect.forEach(names, (name) => Effect.map(handles(client, name), ({ writer }) => writer))
      const multi = yield* MultiWriter.make(both)
      yield* multi.appendAtomic((add) => both.forEach((handle) => add(handle, rows)))
    }),
    (contents) => names.reduce((all, name) => changed(all, name, added(rows)), contents)
  )

const destroy = (name: string): Command =>
  whole(
    (client) => Effect.andThen(handles(client, name), client.destroy(name)),
    (contents) => new Map([...contents].filter(([each]) => each !== name))
  )

const maintain: Command = whole((client) => client.maintain, (contents) => contents)

const compact = (name: string): Command =>
  whole((client) => Effect.andThen(handles(client, name), client.compact(name)), (contents) => contents)

const rows = (random: Prng.Prng, time: number, count: number): ReadonlyArray<Model.Row> =>
  Array.from({ length: count }, () =>
    Update.make(
      `k${random.int(6)}`,
      `v${random.int(3)}${random.chance(0.2) ? "x".repeat(random.int(900)) : ""}`,
      time + random.int(3),
      random.pick([1, 1, 2, -1])
    ))

/** Versions of a long value have one length and differ in their middle alone. */
const longText = (version: number): string => {
  const half = "It was the best of times, it was the worst of times. ".repeat(11)
  return half + String(version).padStart(8, "0") + half
}

const versionsEach = 3

/**
 * Rewrites a long value several times: its commit is packed, and of its rows some may be cancelled before they are
 * flushed, as `since` is beyond them, and some may not.
 */
const rewrite = (name: string, turn: number): Group => {
  const first = versionsEach * turn
  const rows = Array.from({ length: versionsEach }, (_, i) => first + i).flatMap((version) => [
    Update.insert("k1", longText(version), version),
    ...(version === 0 ? [] : [Update.retract("k1", longText(version - 1), version)])
  ])
  return [write(name, rows), seal(name, first + versionsEach), allowCompaction(name, first + 1)]
}

/** Everything that a store does, over and over: `rounds` of it. */
export const make = (rounds: number): ReadonlyArray<Group> => {
  const random = Prng.make(77)
  return Array.from({ length: rounds }, (_, time): ReadonlyArray<Group> => [
    [write("a", rows(random, time, 4))],
    [write("b", rows(random, time, 3)), write("a", rows(random, time, 2)), seal("a", time + 1)],
    [writeBoth(["a", "b"], rows(random, time + 1, 2))],
    [write("gone", rows(random, time, 4)), seal("gone", time + 1)],
    [compareAndAppend("atomic", rows(random, time, 2).map((row) => ({ ...row, time })), time)],
    ...(time % 3 === 0 ? [rewrite("long", time / 3)] : []),
    ...(time % 2 === 1 ? [[seal("b", time)], [allowCompaction("a", time)], [maintain]] : []),
    ...(time % 3 === 2 ? [[compact("a")], [destroy("gone")], [maintain]] : [])
  ]).flat()
}

/** The replies to the commands of groups, in their order; groups that were not begun are not there. */
export type Account = Array<Array<Fate>>

const settled = (result: Result.Result<unknown, { readonly _tag: string }>): Fate =>
  Result.isSuccess(result) ? "acknowledged" : result.failure._tag === "Indeterminate" ? "open" : "refused"

/** Runs the groups, and keeps the account. `onChange` is called whenever it says something new. */
export const run = Effect.fnUntraced(function*(
  client: Client,
  groups: ReadonlyArray<Group>,
  account: Account,
  onChange: () => void = () => {}
) {
  for (const group of groups) {
    const fates = group.map((): Fate => "open")
    account.push(fates)
    onChange()
    const replies = yield* Effect.forEach(group, (command) => Effect.result(command.run(client)))
    for (const [i, reply] of replies.entries()) {
      fates[i] = Result.isFailure(reply)
        ? settled(reply as Result.Result<unknown, { readonly _tag: string }>)
        : settled(yield* Effect.result(reply.success))
      onChange()
    }
  }
})

/**
 * Every state of the store that the account allows, if it was in the state `from` before. What is acknowledged has
 * happened, what is refused has not; of those commands of a group that are open, a beginning may have happened.
 */
export const allowed = (
  groups: ReadonlyArray<Group>,
  account: Account,
  from: Contents = new Map()
): ReadonlyArray<Contents> =>
  account.reduce<ReadonlyArray<Contents>>(
    (states, fates, i) => states.flatMap((state) => outcomes(groups[i]!, fates).map((applied) => fold(state, applied))),
    [from]
  )

const fold = (contents: Contents, commands: ReadonlyArray<Command>): Contents =>
  commands.reduce((state, command) => command.apply(state), contents)

const outcomes = (group: Group, fates: ReadonlyArray<Fate>): ReadonlyArray<ReadonlyArray<Command>> => {
  const open = fates.filter((fate) => fate === "open").length
  return Array.from({ length: open + 1 }, (_, happened) => {
    let left = happened
    return group.filter((_, i) => fates[i] === "acknowledged" || fates[i] === "open" && left-- > 0)
  })
}
