// A process of its own on a store in Postgres.
//
// `node Child.ts writer URL`: at each `run` it acquires the log, says `acquired EPOCH UPPER`, and appends one entry after
// the other until one fails, when it says the tag of the failure and the last upper that it received.
//
// `node Child.ts follower URL COUNT`: says `ready`, then each key that is written to the collection "rows" as it is delivered
// of it, COUNT times.
import { Context, Effect, Stream } from "effect"
import { createInterface } from "node:readline"
import { Log, PersistClient } from "tidemark"
import * as Store from "../utils/Store.ts"
import { open } from "./Stores.ts"

const [, , role, url = "", count = "0"] = process.argv

const say = (line: string) => Effect.sync(() => console.log(line))

const writer = Effect.gen(function*() {
  const log = Context.get(yield* open(url), Log.Log)
  const run = Effect.gen(function*() {
    const writer = yield* log.acquire
    let upper = writer.bounds.upper
    yield* say(`acquired ${writer.epoch} ${upper}`)
    const append = Effect.suspend(() => writer.append(upper, [new TextEncoder().encode(`zombie ${writer.epoch}`)]))
    const failure = yield* Effect.flip(Effect.forever(Effect.map(append, (next) => upper = next)))
    yield* say(`${failure._tag} ${upper}`)
  })
  const lines = Stream.orDie(Stream.fromAsyncIterable(createInterface({ input: process.stdin }), String))
  yield* Stream.runForEach(lines, () => Effect.scoped(run))
})

const follower = Effect.gen(function*() {
  const client = yield* Effect.provide(PersistClient.makeReadOnly(), yield* open(url))
  const { reader } = yield* client.load("rows", Store.text)
  const { events } = yield* reader.listen()
  yield* say("ready")
  yield* events.pipe(
    Stream.flatMap((event) => Stream.fromIterable(event._tag === "Updates" ? event.updates : [])),
    Stream.take(Number(count)),
    Stream.runForEach(({ key }) => say(key))
  )
})

Effect.runFork(Effect.scoped(role === "writer" ? Effect.orDie(writer) : Effect.orDie(follower)))
