/**
 * `tidemark ingest`: appends updates of another program to a collection.
 *
 * @internal
 */
import { Effect, Option, Stream } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import fs from "node:fs"
import type { CollectionEvent } from "../../client/CollectionEvent.ts"
import * as StoredJson from "../../client/StoredJson.ts"
import * as Frontier from "../../Frontier.ts"
import { InvalidInput } from "../../PersistError.ts"
import type { Update } from "../../Update.ts"
import * as Delivery from "../Delivery.ts"
import { Failure, Usage } from "../Failure.ts"
import * as Format from "../Format.ts"
import * as Leftovers from "../Leftovers.ts"
import * as Output from "../Output.ts"
import * as Pipeline from "../Pipeline.ts"
import * as Progress from "../Progress.ts"
import { common } from "../Root.ts"
import * as Store from "../Store.ts"
import * as Values from "../Values.ts"

interface Input extends Format.Source {
  /** How many bytes there are, if that is known. */
  readonly size: number | undefined
}

const input = Effect.fnUntraced(function*(file: string) {
  const channels = yield* Output.Channels
  if (file === "-") {
    return { file, bytes: streamOf("standard input", () => channels.input), size: undefined } satisfies Input
  }
  const stat = yield* Effect.try({ try: () => fs.statSync(file), catch: () => undefined }).pipe(Effect.option)
  if (Option.isNone(stat)) return yield* new Failure({ message: `there is no file ${file}` })
  if (stat.value.isDirectory()) return yield* new Failure({ message: `${file} is a directory` })
  const size = stat.value.isFile() ? stat.value.size : undefined
  const bytes = streamOf(file, () => fs.createReadStream(file, { highWaterMark: 256 * 1024 }))
  return { file, bytes, size } satisfies Input
})

const streamOf = (name: string, open: () => AsyncIterable<Uint8Array>): Stream.Stream<Uint8Array, Failure> =>
  Stream.suspend(() =>
    Stream.fromAsyncIterable(
      open(),
      (error) => new Failure({ message: `cannot read ${name}: ${error instanceof Error ? error.message : error}` })
    )
  )

interface Options {
  readonly format: Format.Name
  readonly resume: boolean
  readonly recreate: boolean
}

/** Appends the whole input to the collection. An error says what was acknowledged before. */
const run = Effect.fnUntraced(function*(name: string, source: Input, { format, recreate, resume }: Options) {
  const { description, isThere, open } = yield* Store.destination(name, recreate)
  const sealed = description.upper
  yield* Values.checkWritable(description)
  const check = StoredJson.makeCheck(description)
  const leftovers = resume && isThere ? yield* Effect.flatMap(open, Leftovers.load) : undefined
  const pipeline = yield* Pipeline.make(Effect.flatMap(open, Delivery.make), sealed)
  const progress = yield* Progress.make({
    label: `ingesting ${name}`,
    total: source.size,
    ...(source.size !== undefined && { format: Output.bytes })
  })
  let skipped = 0

  const row = (update: Update<StoredJson.Json, StoredJson.Json>) => {
    if (update.diff === 0) return Effect.void
    const diff = resume && update.time < sealed ? 0 : leftovers?.remaining(update) ?? update.diff
    if (diff === 0) {
      skipped++
      return Effect.void
    }
    return pipeline.push({ ...update, diff })
  }
  const take = Effect.fnUntraced(function*(event: CollectionEvent<StoredJson.Json, StoredJson.Json>) {
    if (event._tag === "Progress") {
      if (event.frontier > sealed) pipeline.seal(event.frontier)
      return
    }
    for (const update of event.updates) yield* row(update)
    progress.add(source.size === undefined ? event.updates.length : 0)
  })
  const page = (events: ReadonlyArray<CollectionEvent<StoredJson.Json, StoredJson.Json>>) =>
    // The rows of a slow producer do not wait for others.
    Effect.andThen(Effect.forEach(events, take, { discard: true }), pipeline.flush)

  const bytes = Stream.tap(
    source.bytes,
    ({ length }) => Effect.sync(() => progress.add(source.size === undefined ? 0 : length))
  )
  const events = Format.decode(format, { ...source, bytes }, {
    // A resumed input repeats the seals of its beginning.
    upper: resume ? Frontier.initial : sealed,
    check: (update) => check(update)?.message
  })
  yield* Stream.runForEachArray(events, page).pipe(
    Effect.andThen(pipeline.finish),
    Effect.catch(Effect.fnUntraced(function*(error) {
      const isInput = error instanceof InvalidInput
      // The rows before an error are appended.
      if (isInput) yield* Effect.ignore(pipeline.flush)
      yield* pipeline.abandon
      const what = isInput ? `${error.place}: ${error.detail}` : error.message
      return yield* new Failure({ message: `${what}; ${Pipeline.report(pipeline.durable())}` })
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
    format: Flag.Literals("format", Format.all).pipe(
      Flag.withDescription("What the input is (default: ndjson)"),
      Flag.withDefault("ndjson")
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
    if (options.format === "parquet" && file === "-") {
      return yield* new Usage({ message: "Parquet is read from its end: it must be a file, not standard input" })
    }
    const source = yield* input(file)
    const { durable, skipped } = yield* Effect.scoped(run(name, source, options)).pipe(
      Effect.provide(Store.writingPatiently(storage))
    )
    if (json) return yield* Output.json({ updates: durable.updates, skipped, upper: Frontier.toJson(durable.upper) })
    const before = skipped === 0 ? "" : `; ${Output.counted(skipped, "update")} had been there already`
    yield* Output.line(Pipeline.report(durable) + before)
  })
).pipe(
  Command.withDescription(
    `Bring updates into a collection: from lines of JSON, {"key":...,"value":...,"time":n,"diff":n}, where diff may be ` +
      `left out for 1, and {"seal":n}, which makes all times before n complete; or from CSV or Parquet with the columns ` +
      "key, value, time and diff, or from change events of Debezium, whose transactions become the times 0, 1, 2. A bad " +
      "line or row stops it, with its number."
  ),
  Command.withShortDescription("Bring updates into a collection from NDJSON, CSV, Parquet or Debezium"),
  Command.withExamples([
    { command: "tidemark ingest orders updates.ndjson", description: "From a file" },
    { command: "producer | tidemark ingest orders", description: "From standard input" },
    { command: "tidemark ingest orders updates.ndjson --resume", description: "Again after a crash, exactly once" }
  ])
)
