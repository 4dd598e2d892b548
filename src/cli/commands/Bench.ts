/**
 * `tidemark bench`: the speed of Tidemark on a disk of the user's.
 *
 * @internal
 */
import { Effect } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import * as Benchmark from "../Benchmark.ts"
import * as Latency from "../Latency.ts"
import * as Output from "../Output.ts"
import { common } from "../Root.ts"

const perSecond = (rate: number): string => `${Output.count(Math.round(rate))}/s`

const report = (result: Benchmark.Result): string => {
  const figures = Benchmark.summary(result)
  return Output.table([
    ["work", "Tidemark", "plain append and flush", "ratio"],
    [
      "updates, batches of 1,000",
      perSecond(figures.ingest),
      perSecond(figures.rawIngest),
      figures.ingestOfRaw.toFixed(2)
    ],
    ["the same, 16 in flight", perSecond(figures.pipelined), "", (figures.pipelined / figures.rawIngest).toFixed(2)],
    [
      "one update, one writer: p50",
      Latency.millis(figures.write50),
      Latency.millis(figures.rawWrite),
      figures.writeOverRaw.toFixed(2)
    ],
    ["one update, one writer: p99", Latency.millis(figures.write99), "", ""],
    ["one update, 64 writers", perSecond(figures.acknowledgements), "", `${figures.sharing.toFixed(1)} a flush`],
    ["rows of a snapshot", perSecond(figures.snapshot), "", ""],
    ["opening it again", Latency.millis(figures.open), "", ""]
  ])
}

export const bench = Command.make(
  "bench",
  {
    directory: Argument.Directory("DIRECTORY", { mustExist: true }).pipe(
      Argument.withDescription("Where to measure: a store is made below it, and removed (default: here)"),
      Argument.withDefault(".")
    ),
    updates: Flag.Int("updates").pipe(
      Flag.filter((count) => count > 0, () => "there must be an update to write"),
      Flag.withDescription("How many updates to write, of 100 bytes each (default: 500000)"),
      Flag.withDefault(500_000)
    )
  },
  Effect.fn(function*({ directory, updates }) {
    const { json } = yield* common
    const result = yield* Benchmark.run(directory, updates)
    if (json) return yield* Output.json(Benchmark.summary(result))
    yield* Output.line(`${report(result)}\n\none update, one writer:\n${Latency.plot(result.writes)}`)
  })
).pipe(
  Command.withDescription(
    "Measure durable writes, a snapshot and opening on the disk of a directory, beside what the same disk does with plain " +
      "appends and flushes of the same bytes in the same run. No store of yours is touched."
  ),
  Command.withShortDescription("How fast it is on your disk"),
  Command.withExamples([
    { command: "tidemark bench /var/lib/app", description: "The disk that the application will use" }
  ])
)
