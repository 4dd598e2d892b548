/** The event store of a coding agent: a log a session, replayed and then live, its projection, owners, bounded history. */
import { Console, Effect, Fiber, Layer, Option, Schema, Stream } from "effect"
import { MemoryStorage, PersistClient } from "tidemark"
import { Table } from "tidemark/tables"

const key = Schema.Tuple([Schema.String, Schema.Int])
class Events extends Table.Service<Events>()("events", { key, value: Schema.String, history: 100 }) {}
const Session = Schema.Struct({ owner: Schema.String, seq: Schema.Int })
class Sessions extends Table.Service<Sessions>()("sessions", { key: Schema.String, value: Session, history: 100 }) {}
class NotOwner extends Schema.TaggedError<NotOwner>("NotOwner")("NotOwner", { owner: Schema.String }) {}
const changed = <K, V, I>(table: Table.Indexed<K, V, I>, from: number) =>
  Stream.flatMap(table.changes({ from }), (each) => Stream.fromIterable(each._tag === "Changes" ? each.changes : []))
const program = Effect.gen(function*() {
  const [events, sessions] = [yield* Events, yield* Sessions]
  // Takes a session over: from now on its former owner is refused.
  const claim = (id: string, owner: string) =>
    sessions.modify(id, (before) => Option.some({ seq: 0, ...Option.getOrUndefined(before), owner }))
  // One commit: the event, its projection, and what falls out of the log.
  const append = Effect.fnUntraced(function*(id: string, owner: string, text: string) {
    const session = Option.getOrElse(yield* sessions.get(id), () => ({ owner: "none", seq: 0 }))
    if (session.owner !== owner) return yield* new NotOwner({ owner: session.owner })
    yield* events.set([id, session.seq + 1], text)
    yield* events.remove([id, session.seq - 2])
    yield* sessions.set(id, { owner, seq: session.seq + 1 })
  }, (effect) => Table.transaction(effect))
  // What is left, then what comes: no gap between, and nothing twice.
  const log = Effect.fnUntraced(function*(id: string) {
    const now = yield* events.now
    const coming = Stream.filter(changed(events, now + 1), ({ after, key }) => key[0] === id && Option.isSome(after))
    const left = Stream.map(events.at(now).range({ prefix: [id] }), ([key]) => ({ key }))
    return Stream.map(Stream.concat(left, coming), ({ key: [, seq] }) => seq)
  }, Stream.unwrap)
  yield* claim("s-1", "laptop")
  yield* append("s-1", "laptop", "Fix the build")
  const now = yield* sessions.now
  const hint = yield* Effect.forkChild(Stream.runHead(changed(sessions, now + 1)), { startImmediately: true })
  const seqs = yield* Effect.forkChild(Stream.runCollect(Stream.take(log("s-1"), 4)), { startImmediately: true })
  for (const text of ["one", "two", "three"]) yield* append("s-1", "laptop", text)
  yield* claim("s-1", "desktop")
  yield* Console.log("refused:", (yield* Effect.flip(append("s-1", "laptop", "late")))._tag)
  yield* Console.log("left:", yield* Stream.runCollect(events.range({ prefix: ["s-1"] })), yield* sessions.get("s-1"))
  yield* Console.log("followed:", yield* Fiber.join(seqs), "hint:", yield* Fiber.join(hint))
})
const store = PersistClient.layer().pipe(Layer.provide(MemoryStorage.layer))
await Effect.runPromise(Effect.provide(program, Layer.provideMerge(Layer.merge(Events.layer, Sessions.layer), store)))
