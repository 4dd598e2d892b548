// A writer in a process of its own: `node Child.ts DIRECTORY`. Says `acquired EPOCH UPPER`, then appends an entry for each
// line of its input, and says `appended UPPER` or the tag of the failure. Ends cleanly with its input.
import { Effect, Stream } from "effect"
import { createInterface } from "node:readline"
import { entry, openLog } from "./Temporary.ts"

const say = (line: string) => Effect.sync(() => console.log(line))

const program = Effect.gen(function*() {
  const log = yield* openLog(process.argv[2]!, 64 * 1024)
  const writer = yield* log.acquire
  let upper = writer.bounds.upper
  yield* say(`acquired ${writer.epoch} ${upper}`)
  const lines = Stream.orDie(Stream.fromAsyncIterable(createInterface({ input: process.stdin }), String))
  yield* Stream.runForEach(lines, () =>
    writer.append(upper, [entry(upper)]).pipe(
      Effect.tap((next) => Effect.sync(() => upper = next)),
      Effect.matchEffect({ onSuccess: (next) => say(`appended ${next}`), onFailure: ({ _tag }) => say(_tag) })
    ))
})

program.pipe(
  Effect.catchTag("Locked", ({ pid }) => say(`locked by ${pid}`)),
  Effect.scoped,
  Effect.runFork
)
