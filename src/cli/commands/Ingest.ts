/**
 * `tidemark ingest`: newline-delimited JSON into a collection.
 *
 * @internal
 */
import { Effect, Option, Stream } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import fs from "node:fs"
import * as StoredJson from "../../client/StoredJson.ts"
import * as Frontier from "../../Frontier.ts"
import type { Update } from "../../Update.ts"
import { Failure } from "../Failure.ts"
import * as Leftovers from "../Leftovers.ts"
import * as Ndjson from "../Ndjson.ts"
import * as Output from "../Output.ts"
import * as Pipeline from "../Pipeline.ts"
import * as Progress from "../Progress.ts"
import { common } from "../Root.ts"
import { split } from "../Split.ts"
import * as Store from "../Store.ts"
import * as Values from "../Values.ts"

interface Input {
  readonly bytes: Stream.Stream<Uint8Array, Failure>
  /** How many there are, if that is known. */
  readonly size: number | undefined
}

const input = Effect.fnUntraced(function*(file: string) {
  const channels = yield* Output.Channels
  if (file === "-") return { bytes: streamOf("standard input", () => channels.input), size: undefined } satisfies Input
  const stat = yield* Effect.try({ try: () => fs.statSync(file), catch: () => undefined }).pipe(Effect.option)
  if (Option.isNone(stat)) return yield* new Failure({ message: `there is no file ${file}` })
  if (stat.value.isDirectory()) return yield* new Failure({ message: `${file} is a directory` })
  const size = stat.value.isFile() ? stat.value.size : undefined
  return { bytes: streamOf(file, () => fs.createReadStream(file, { highWaterMark: 256 * 1024 })), size } satisfies Input
})

const streamOf = (name: string, open: () => AsyncIterable<Uint8Array>): Stream.Stream<Uint8Array, Failure> =>
  Stream.suspend(() =>
    Stream.fromAsyncIterable(
      open(),
      (error) => new Failure({ message: `cannot read ${name}: ${error instanceof Error ? error.message : error}` })
    )
  )

const newline = 0x0a

interface Options {
  readonly resume: boolean
  readonly recreate: boolean
}

/** Brings all lines into the collection. What fails says what was acknowledged before. */
const run = Effect.fnUntraced(function*(name: string, source: Input, { recreate, resume }: Options) {
  const { description, write } = yield* Store.openOrCreate(name, recreate)
  const sealed = description.upper
  yield* Values.checkWritable(description)
  const check = StoredJson.makeCheck(description)
  const leftovers = resume ? yield* Leftovers.load(write) : undefined
  const pipeline = Pipeline.make(write, sealed)
  const progress = yield* Progress.make({
    label: `ingesting ${name}`,
    total: source.size,
    ...(source.size !== undefined && { format: Output.bytes })
  })
  /** The seal in force at this place of the input: a resumed input repeats those of its beginning. */
  let upper = resume ? Frontier.initial : sealed
  let line = 0
  let skipped = 0

  const row = (update: Update<StoredJson.Json, StoredJson.Json>, bytes: number) => {
    if (update.time < upper) return refuse(`time ${update.time} lies below the seal ${Frontier.format(upper)}`)
    const refusal = check(update)
    if (refusal !== undefined) return refuse(refusal.message)
    if (update.diff === 0) return Effect.void
    const diff = resume && update.time < sealed ? 0 : leftovers?.remaining(update) ?? update.diff
    if (diff === 0) {
      skipped++
      return Effect.void
    }
    return pipeline.push({ ...update, diff }, bytes)
  }
  const seal = (to: Frontier.Frontier) => {
    if (to < upper) return refuse(`the seal goes back from ${Frontier.format(upper)} to ${Frontier.format(to)}`)
    upper = to
    if (to > sealed) pipeline.seal(to)
    return Effect.void
  }
  const take = (read: Ndjson.Line, bytes: number) => {
    switch (read._tag) {
      case "Row":
        return row(read.update, bytes)
      case "Seal":
        return seal(read.upper)
      case "Bad":
        return refuse(read.detail)
      case "Blank":
        return Effect.void
    }
  }
  const refuse = (detail: string) =>
    Effect.andThen(pipeline.flush, Effect.fail(new Failure({ message: `line ${line}: ${detail}` })))

  const page = Effect.fnUntraced(function*(lines: ReadonlyArray<Uint8Array>) {
    for (const bytes of lines) {
      line++
      yield* take(Ndjson.parse(bytes), bytes.length)
      progress.add(source.size === undefined ? 1 : bytes.length + 1)
    }
    // A slow producer's rows are not kept waiting for others.
    yield* pipeline.flush
  })
  yield* Stream.runForEach(split(source.bytes, newline), page).pipe(
    Effect.andThen(pipeline.drain),
    Effect.catch(Effect.fnUntraced(function*(error) {
      yield* pipeline.abandon
      return yield* new Failure({ message: `${error.message}; ${Pipeline.report(pipeline.durable())}` })
    })),
    Effect.onInterrupt(() =>
      Effect.andThen(
        pipeline.abandon,
        Effect.suspend(() => Output.note(`interrupted; ${Pipeline.report(pipeline.durable())}`))
      )
    )
  )
  return { skipped, durable: pipeline.durable() }
})

export const ingest = Command.make(
  "ingest",
  {
    name: Argument.String("NAME").pipe(Argument.withDescription("The collection; it is created if there is none")),
    file: Argument.String("FILE").pipe(
      Argument.withDescription("The input; - or nothing is standard input"),
      Argument.withDefault("-")
    ),
    resume: Flag.Boolean("resume").pipe(
      Flag.withDescription("Continue an interrupted ingest of the same input: what is there already is not repeated"),
      Flag.withDefault(false)
    ),
    recreate: Flag.Boolean("recreate").pipe(
      Flag.withDescription("Begin anew where the collection was destroyed"),
      Flag.withDefault(false)
    )
  },
  Effect.fn(function*({ file, name, ...options }) {
    const { json, storage } = yield* common
    const source = yield* input(file)
    const { durable, skipped } = yield* Effect.scoped(run(name, source, options)).pipe(
      Effect.provide(Store.writing(storage))
    )
    if (json) return yield* Output.json({ updates: durable.updates, skipped, upper: Frontier.toJson(durable.upper) })
    const before = skipped === 0 ? "" : `; ${Output.counted(skipped, "update")} had been there already`
    yield* Output.line(Pipeline.report(durable) + before)
  })
).pipe(
  Command.withDescription(
    `Bring updates into a collection from lines of JSON: {"key":...,"value":...,"time":n,"diff":n}, where diff may be ` +
      `left out for 1, and {"seal":n}, which makes all times before n complete. A bad line stops it, with its number.`
  ),
  Command.withShortDescription("Bring updates into a collection from lines of JSON"),
  Command.withExamples([
    { command: "tidemark ingest orders updates.ndjson", description: "From a file" },
    { command: "producer | tidemark ingest orders", description: "From standard input" },
    { command: "tidemark ingest orders updates.ndjson --resume", description: "Again after a crash, exactly once" }
  ])
)
