/**
 * The operations that the clients of a nemesis request of a store, each with its record in the history.
 *
 * @internal
 */
import { Effect, Schema, Stream } from "effect"
import * as MultiWriter from "../../client/MultiWriter.ts"
import * as Codec from "../../Codec.ts"
import * as Update from "../../Update.ts"
import type * as History from "../history/History.ts"
import type { Prng } from "../Prng.ts"
import * as Reads from "./Reads.ts"
import { type Client, type Guess, guessOf, type Node, type Opened, type Place, text, type World } from "./World.ts"

/** The weights of the collections: some are used more than others. */
const weights = [9, 5, 3, 1, 1]
/** Keys that are erased. No command is recognised by a row of theirs. */
const erasable = ["y", "z"]
const letters = ["a", "b", "c", "d", "e"].flatMap((letter, i) => Array.from({ length: weights[i]! }, () => letter))

export const name = (random: Prng): string => random.pick(letters)

/** The client, the collection, and the random numbers. */
export interface Asking {
  readonly world: World
  readonly node: Pick<Node, "client" | "mode" | "opened">
  readonly random: Prng
  readonly name: string
}

/** Schemas of values, as collections store them; they do not change how the values of a nemesis are encoded. */
const documents: ReadonlyArray<string> = [
  "",
  ...[1, 2, 3].map((fields) =>
    Codec.schema(Schema.Struct(
      Object.fromEntries(Array.from({ length: fields }, (_, i) => [`field${i}`, Schema.optionalKey(Schema.String)]))
    )).document ?? ""
  )
]

const noteDocument = ({ documents }: World, collection: number, document: string): void => {
  if (document === "") return
  documents.set(collection, (documents.get(collection) ?? new Set()).add(document))
}

const sequenced = (seqNo: number): History.Reply => ({ _tag: "Sequenced", seqNo })
const destroyed = (isDone: boolean): History.Reply => ({ _tag: isDone ? "Done" : "Gone" })

/** Opens a collection, once for each process. */
export const openedOf = (asking: Asking, client: Client, name: string): Effect.Effect<Opened, unknown> =>
  Effect.suspend(() => {
    const { node } = asking
    const known = node.opened.get(name)
    if (known !== undefined) return Effect.succeed(known)
    const document = asking.random.pick(documents)
    const schema = { value: { ...text.value, document }, schemaChange: "any" } as const
    const opening = node.mode === "writer"
      ? client.createOrLoad(name, { ...text, ...schema, recreate: true })
      : client.load(name, text)
    const opened = Effect.flatMap(
      opening,
      (handles) => Effect.map(handles.reader.id, (id): Opened => ({ id, handles }))
    )
    const registered = node.mode === "reader" ? opened : asking.world.recorder.record(
      node.client,
      { _tag: "Register", name },
      opened,
      ({ id }) => ({ _tag: "Registered", collection: id })
    )
    return Effect.tap(registered, (each) =>
      Effect.sync(() => {
        node.opened.set(name, each)
        if (node.mode === "writer") noteDocument(asking.world, each.id, document)
      }))
  })

/** Requests an operation of an open collection. A handle of a destroyed collection is dropped. */
export const asking = <A>(
  asked: Asking,
  client: Client,
  call: (opened: Opened, guess: Guess) => Effect.Effect<A, unknown>
): Effect.Effect<A, unknown> =>
  Effect.flatMap(openedOf(asked, client, asked.name), (opened) => call(opened, guessOf(asked.world, asked.name))).pipe(
    Effect.tapError((error) =>
      Effect.sync(() => {
        const { _tag, reason } = error as { readonly _tag?: string; readonly reason?: string }
        if (_tag === "CollectionDestroyed" || reason === "CollectionDestroyed") asked.node.opened.delete(asked.name)
      })
    )
  )

/** Updates at times in [from, to): the first one is of this command alone, and at its earliest time. */
const updates = ({ random, world }: Asking, from: number, to: number): Array<History.Update> => {
  const shared = Array.from({ length: random.int(4) }, (): History.Update => [
    random.pick(letters),
    `v${random.int(3)}`,
    from + random.int(to - from),
    random.pick([-2, -1, 1, 2])
  ])
  const earliest = shared.reduce((least, [, , time]) => Math.min(least, time), from + random.int(to - from))
  const padding = random.chance(0.1) ? "x".repeat(random.int(600)) : ""
  const own = `w${++world.commands}${padding}`
  const erased: ReadonlyArray<History.Update> = random.chance(0.3)
    ? [[random.pick(erasable), own, from + random.int(to - from), 1]]
    : []
  const first = erased.reduce((least, [, , time]) => Math.min(least, time), earliest)
  return [[random.pick(letters), own, first, 1], ...shared, ...erased]
}

/** A row that only this command writes. */
export const own = ({ random, world }: Asking, time: number): History.Update => [
  random.pick(letters),
  `w${++world.commands}`,
  time,
  1
]

export const rowsOf = (updates: ReadonlyArray<History.Update>): ReadonlyArray<Update.Update<string, string>> =>
  updates.map(([key, value, time, diff]) => Update.make(key, value, time, diff))

const write = (asked: Asking) => (client: Client): Effect.Effect<unknown, unknown> =>
  asking(asked, client, ({ handles, id }, { upper }) => {
    const rows = updates(asked, upper, upper + 5)
    return record(
      asked,
      { _tag: "Write", targets: [{ collection: id, updates: rows }] },
      () => handles.writer.append(rowsOf(rows))
    )
  })

/** Some of the updates are too late, if anything is sealed. */
const writeSealed = (asked: Asking) => (client: Client): Effect.Effect<unknown, unknown> =>
  asking(asked, client, ({ handles, id }, { upper }) => {
    const rows = updates(asked, Math.max(0, upper - 3), upper + 1)
    return record(
      asked,
      { _tag: "Write", targets: [{ collection: id, updates: rows }] },
      () => handles.writer.append(rowsOf(rows))
    )
  })

export const record = (asked: Asking, call: History.Call, effect: () => Effect.Effect<number, unknown>) =>
  asked.world.recorder.record(asked.node.client, call, Effect.suspend(effect), sequenced)

interface Named extends Opened {
  readonly name: string
}

const someNames = ({ random }: Asking): ReadonlyArray<string> =>
  Array.from({ length: 2 + random.int(3) }, () => name(random))

/** Requests an operation of several collections. */
const together = (
  asked: Asking,
  names: ReadonlyArray<string>,
  prepare: (
    opened: ReadonlyArray<Named>
  ) => readonly [call: History.Call, run: (both: MultiWriter.MultiWriter) => Effect.Effect<number, unknown>]
) =>
  Effect.fnUntraced(function*(client: Client) {
    const opened = yield* Effect.forEach(names, (each) =>
      Effect.map(openedOf(asked, client, each), (found): Named => ({ ...found, name: each })))
    const both = yield* MultiWriter.make(opened.map(({ handles }) =>
      handles.writer
    ))
    const [call, run] = prepare(opened)
    yield* record(asked, call, () => run(both)).pipe(
      Effect.tapError(() => Effect.sync(() => names.forEach((each) => asked.node.opened.delete(each))))
    )
  })

const writeMulti = (asked: Asking) =>
  together(asked, someNames(asked), (opened) => {
    const targets = opened.map(({ handles, id, name }) => {
      const { upper } = guessOf(asked.world, name)
      return { handles, collection: id, updates: updates(asked, upper, upper + 5) }
    })
    const call: History.Call = {
      _tag: "Write",
      targets: targets.map(({ collection, updates }) => ({ collection, updates }))
    }
    return [call, (both) =>
      both.appendAtomic((add) => {
        for (const { handles, updates } of targets) add(handles.writer, rowsOf(updates))
      })]
  })

const seal = (asked: Asking) => (client: Client): Effect.Effect<unknown, unknown> =>
  asking(asked, client, ({ handles, id }, guess) => {
    const upper = guess.upper + asked.random.int(5)
    guess.upper = Math.max(guess.upper, upper)
    return record(asked, { _tag: "Seal", collections: [id], upper }, () => handles.writer.seal(upper))
  })

const allowCompaction = (asked: Asking) => (client: Client): Effect.Effect<unknown, unknown> =>
  asking(asked, client, ({ handles, id }, guess) => {
    const base = asked.random.chance(0.8) ? guess.since : guess.upper
    const since = base + asked.random.int(5)
    guess.since = Math.max(guess.since, since)
    return record(
      asked,
      { _tag: "AllowCompaction", collections: [id], since },
      () => handles.writer.allowCompaction(since)
    )
  })

const compareAndAppend = (asked: Asking) => (client: Client): Effect.Effect<unknown, unknown> =>
  asking(asked, client, ({ handles, id }, guess) => {
    const { random } = asked
    const expected = Math.max(0, guess.upper - (random.chance(0.2) ? 1 : 0))
    const upper = expected + 1 + random.int(3)
    const rows = random.chance(0.9) ? updates(asked, expected, upper) : []
    guess.upper = Math.max(guess.upper, upper)
    const target = { collection: id, updates: rows, expected, upper }
    return record(
      asked,
      { _tag: "CompareAndAppend", targets: [target] },
      () => handles.writer.compareAndAppend(rowsOf(rows), { expected, upper })
    )
  })

/** Several collections in one step, each from the upper that it is expected to have. */
const appendTogether = (asked: Asking) =>
  together(asked, [...new Set(someNames(asked))], (opened) => {
    const targets = opened.map(({ handles, id, name }) => {
      const guess = guessOf(asked.world, name)
      const expected = Math.max(0, guess.upper - (asked.random.chance(0.1) ? 1 : 0))
      const upper = expected + 1 + asked.random.int(3)
      guess.upper = Math.max(guess.upper, upper)
      return { handles, collection: id, updates: updates(asked, expected, upper), expected, upper }
    })
    const call: History.Call = {
      _tag: "CompareAndAppend",
      targets: targets.map(({ collection, expected, updates, upper }) => ({ collection, updates, expected, upper }))
    }
    return [call, (both) =>
      both.compareAndAppend((add) => {
        for (const { expected, handles, updates, upper } of targets) {
          add(handles.writer, rowsOf(updates), { expected, upper })
        }
      })]
  })

/** Takes a snapshot, and reads it some time later. */
const snapshot = (asked: Asking, asOf?: number) => (client: Client): Effect.Effect<unknown, unknown> =>
  asking(asked, client, ({ handles, id }) => Reads.snapshot(asked, handles.reader, id, asOf))

const snapshotAsOf = (asked: Asking): (client: Client) => Effect.Effect<unknown, unknown> => {
  const { since, upper } = guessOf(asked.world, asked.name)
  return snapshot(asked, since + asked.random.int(Math.max(1, upper + 1 - since)))
}

/** Subscribes for a while, from where a previous subscriber has stopped, or from the beginning. */
const subscribe = (asked: Asking) => (client: Client): Effect.Effect<unknown, unknown> =>
  asking(asked, client, ({ handles, id }) => {
    const { random, world } = asked
    const places = world.places.filter(({ collection }) => collection === id)
    const place = places.length > 0 && random.chance(0.6) ? random.pick(places) : undefined
    const { since } = guessOf(world, asked.name)
    const start = place !== undefined ? { from: place.frontier } : random.chance(0.5) ? { asOf: since } : {}
    const here: Place = place ?? { collection: id, frontier: 0 }
    if (place === undefined) world.places.push(here)
    return Reads.follow(asked, handles.reader, id, start, here).pipe(
      Stream.runDrain,
      Effect.timeoutOption(random.int(5_000))
    )
  })

const erase = (asked: Asking) => (client: Client): Effect.Effect<unknown, unknown> =>
  asking(asked, client, ({ handles, id }) => {
    const key = asked.random.pick(erasable)
    const call: History.Call = { _tag: "Erase", collection: id, key }
    return asked.world.recorder.record(asked.node.client, call, handles.writer.erase(key), () => ({ _tag: "Done" }))
  })

const destroy = ({ name, node, world }: Asking) => (client: Client): Effect.Effect<unknown, unknown> =>
  Effect.suspend(() => {
    world.guesses.delete(name)
    node.opened.delete(name)
    return world.recorder.record(node.client, { _tag: "Destroy", name }, client.destroy(name), destroyed)
  })

const maintain = () => (client: Client): Effect.Effect<unknown, unknown> => client.maintain

const compact = ({ name }: Asking) => (client: Client): Effect.Effect<unknown, unknown> => client.compact(name)

const stop = () => (client: Client): Effect.Effect<unknown, unknown> => client.stop

/** A snapshot of everything, at a place between two writes that may share a commit. */
const readMidGroup = (asked: Asking) => (client: Client): Effect.Effect<unknown, unknown> => {
  const each = [write(asked), snapshot(asked), write(asked)]
  return Effect.forEach(each, (job) => Effect.result(job(client)), { concurrency: "unbounded", discard: true })
}

const through = (read: Reads.Read) => (asked: Asking) => (client: Client): Effect.Effect<unknown, unknown> =>
  asking(asked, client, (opened) => read({ ...asked, client, ...opened }))

/** The operations by the step that requests them. */
export const byStep = {
  write,
  writeSealed,
  writeMulti,
  seal,
  allowCompaction,
  compareAndAppend,
  appendTogether,
  snapshot,
  snapshotAsOf,
  subscribe,
  listen: through(Reads.listen),
  resume: through(Reads.resume),
  readPart: through(Reads.readPart),
  readMidGroup,
  erase,
  destroy,
  maintain,
  compact,
  stop
} as const
