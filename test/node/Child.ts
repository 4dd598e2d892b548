// A writer in a process of its own: `node Child.ts DIRECTORY [HOST LEASE_MILLIS]`. Says `acquired EPOCH UPPER`, then appends
// an entry for each line of its input, and says `appended UPPER` or the tag of the failure. Ends cleanly with its input.
// With a host, it is as if on another machine.
import { Effect, Stream } from "effect"
import { createInterface } from "node:readline"
import * as LockHolder from "../../src/node/LockHolder.ts"
import { entry, machine, openStore } from "./Temporary.ts"

const [, , directory, host, lease] = process.argv

const say = (line: string) => Effect.sync(() => console.log(line))

const options = {
  directory: directory!,
  segmentBytes: 64 * 1024,
  lease: lease === undefined ? undefined : Number(lease)
}

const program = Effect.gen(function*() {
  const log = yield* openStore(options)
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
  host === undefined ? (effect) => effect : Effect.provideService(LockHolder.Machine, machine(host)),
  Effect.runFork
)
