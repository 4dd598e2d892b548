// A reader with a named hold, in a process of its own: `node Holder.ts DIRECTORY NAME LEASE_MILLIS`. Says `new SEQNO` or
// `resumed SEQNO`; then, for each line of its input, what it reads, as `ROWS FIRST_KEY LAST_KEY`, or the tag of the failure.
import { Effect, Stream } from "effect"
import { createInterface } from "node:readline"
import * as PersistClient from "../../src/client/PersistClient.ts"
import { layerOf } from "../node/Temporary.ts"
import * as Store from "./Store.ts"

const [, , directory, name, lease] = process.argv

const say = (line: string) => Effect.sync(() => console.log(line))

const program = Effect.gen(function*() {
  const client = yield* PersistClient.makeReadOnly(Store.tiny)
  const hold = yield* client.hold(name!, { lease: Number(lease) })
  yield* say(`${hold.isResumed ? "resumed" : "new"} ${hold.seqNo}`)
  const { reader } = yield* hold.client.load("s", Store.text)
  const lines = Stream.orDie(Stream.fromAsyncIterable(createInterface({ input: process.stdin }), String))
  yield* Stream.runForEach(lines, () =>
    Effect.matchEffect(Store.contents(reader), {
      onSuccess: (rows) => say(`${rows.length} ${rows[0]?.[0]} ${rows.at(-1)?.[0]}`),
      onFailure: (error) => say((error as { readonly _tag: string })._tag)
    }))
})

program.pipe(Effect.scoped, Effect.provide(layerOf(directory!)), Effect.runFork)
