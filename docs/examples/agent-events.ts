/**
 * The event store of a coding agent's back end: an ordered log for each session, replayed and then live; a projection in
 * the commit of its events; owners who are fenced; hints that something changed; and a history that does not grow.
 */
import { Console, Effect, Fiber, Layer, Schema, Semaphore, Stream } from "effect"
import { Codec, MemoryStorage, MultiWriter, PersistClient, Update } from "tidemark"

const Event = Schema.Struct({ seq: Schema.Int, type: Schema.String, text: Schema.String })
type Event = typeof Event.Type

/** What is known of a session at any time: the fold of all of its events, also of those no longer kept. */
const Session = Schema.Struct({ owner: Schema.String, seq: Schema.Int, title: Schema.String })
type Session = typeof Session.Type

class NotOwner extends Schema.TaggedError<NotOwner>("NotOwner")("NotOwner", { owner: Schema.String }) {}

type Logged = Event | { readonly type: "Synced"; readonly seq: number }

const project = (session: Session, event: Event): Session => ({
  ...session,
  seq: event.seq,
  title: event.type === "Renamed" ? event.text : session.title
})

/** Keeps the last events of each session, and lets readers be behind by so many commits. */
const open = Effect.fnUntraced(function*({ keep, lag }: { readonly keep: number; readonly lag: number }) {
  const client = yield* PersistClient.PersistClient
  const events = yield* client.createOrLoad("events", { key: Codec.string, value: Codec.schema(Event) })
  const sessions = yield* client.createOrLoad("sessions", { key: Codec.string, value: Codec.schema(Session) })
  const both = yield* MultiWriter.make([events.writer, sessions.writer])
  const oneAtATime = Semaphore.makeUnsafe(1)

  // A crash between a commit and its seal leaves rows that are durable: they count, and the next ones come later.
  const left = yield* Effect.flatMap(sessions.snapshot(), ({ updates }) => Stream.runCollect(updates))
  let now = left.reduce((latest, { time }) => Math.max(latest, time + 1), (yield* client.description("events")).upper)
  yield* both.seal(now)

  const current = (id: string) =>
    Effect.map(now === 0 ? Effect.succeed([]) : sessions.get(id, { asOf: now - 1 }), (found) => found[0]?.[0])

  /** One commit: the events, their projection, and what falls out of the log. Its seal is not to be cut off. */
  const commit = Effect.fnUntraced(
    function*(id: string, before: Session | undefined, after: Session, added: ReadonlyArray<Event>) {
      const kept = added.length === 0 || now === 0 ? [] : yield* events.get(id, { asOf: now - 1 })
      const old = kept.map(([event]) => event).filter(({ seq }) => seq <= after.seq - keep)
      yield* both.appendAtomic((add) => {
        add(events.writer, [
          ...added.map((event) => Update.insert(id, event, now)),
          ...old.map((event) => Update.retract(id, event, now))
        ])
        add(sessions.writer, [
          ...(before === undefined ? [] : [Update.retract(id, before, now)]),
          Update.insert(id, after, now)
        ])
      })
      yield* both.seal(++now)
      if (now > lag) yield* both.allowCompaction(now - lag)
    },
    Effect.uninterruptible
  )

  return {
    /** Takes a session over: from now on its former owner is refused. */
    claim: (id: string, owner: string) =>
      oneAtATime.withPermit(Effect.gen(function*() {
        const before = yield* current(id)
        yield* commit(id, before, before === undefined ? { owner, seq: 0, title: "" } : { ...before, owner }, [])
      })),
    append: (id: string, owner: string, added: ReadonlyArray<Omit<Event, "seq">>) =>
      oneAtATime.withPermit(Effect.gen(function*() {
        const before = yield* current(id)
        if (before?.owner !== owner) return yield* new NotOwner({ owner: before?.owner ?? "nobody" })
        const numbered = added.map((event, i): Event => ({ ...event, seq: before.seq + 1 + i }))
        yield* commit(id, before, numbered.reduce(project, before), numbered)
      })),
    session: current,
    /** The events after `after` that are left, then `Synced`, then those that come: no gap between, and none twice. */
    log: (id: string, after: number): Stream.Stream<Logged, unknown> =>
      Stream.unwrap(Effect.gen(function*() {
        const start = now
        const past = yield* events.get(id, { asOf: start - 1 })
        const replayed = past.map(([event]) => event).filter(({ seq }) => seq > after).toSorted((a, b) => a.seq - b.seq)
        const live = Stream.flatMap(events.subscribe({ from: start }), (event) =>
          event._tag === "Progress" ? Stream.empty : Stream.fromIterable(
            event.updates.filter(({ diff, key }) =>
              key === id && diff > 0
            ).map(({ value }) => value)
              .toSorted((a, b) => a.seq - b.seq)
          ))
        return Stream.concat(
          Stream.fromIterable<Logged>([...replayed, { type: "Synced", seq: replayed.at(-1)?.seq ?? after }]),
          live
        )
      })),
    /** Which sessions changed, and their newest event: a slow reader hears less often, never wrongly. */
    changes: Stream.suspend(() => sessions.subscribe({ from: now })).pipe(
      Stream.map((event) =>
        new Map(
          event._tag === "Progress" ? [] : event.updates.filter(({ diff }) => diff > 0)
            .toSorted((a, b) => a.time - b.time).map(({ key, value }) => [key, value.seq] as const)
        )
      ),
      Stream.filter((changed) => changed.size > 0)
    )
  }
})

const program = Effect.gen(function*() {
  const store = yield* open({ keep: 3, lag: 100 })
  yield* store.claim("s-1", "laptop")
  yield* store.append("s-1", "laptop", [{ type: "Renamed", text: "Fix the build" }])
  const hint = yield* Effect.forkChild(Stream.runHead(store.changes), { startImmediately: true })
  const log = yield* Effect.forkChild(Stream.runCollect(Stream.take(store.log("s-1", 0), 5)), {
    startImmediately: true
  })
  for (const text of ["one", "two", "three"]) yield* store.append("s-1", "laptop", [{ type: "Said", text }])

  yield* store.claim("s-1", "desktop")
  const refused = yield* Effect.flip(store.append("s-1", "laptop", [{ type: "Said", text: "late" }]))
  yield* Console.log("hint:", yield* Fiber.join(hint))
  yield* Console.log("refused:", refused._tag)
  yield* Console.log("session:", yield* store.session("s-1"))
  yield* Console.log(
    "left:",
    yield* Stream.runCollect(Stream.takeUntil(store.log("s-1", 0), ({ type }) => type === "Synced"))
  )
  yield* Console.log("followed:", (yield* Fiber.join(log)).map(({ seq, type }) => `${seq} ${type}`))
})

await Effect.runPromise(
  Effect.scoped(program).pipe(Effect.provide(PersistClient.layer().pipe(Layer.provide(MemoryStorage.layer))))
)
