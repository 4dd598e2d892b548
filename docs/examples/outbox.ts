/**
 * A pipeline with an outbox: balances are computed from payments, and the mails that follow from them are sent, each
 * once, although the process dies before every single one of its steps.
 *
 * Balances and mails are written in one commit. A mail goes out under an id that is the same whenever it is sent again,
 * so that the receiver can tell; and what has gone out is remembered by a frontier.
 */
import { Console, Effect, Schema, Stream } from "effect"
import { Codec, MemoryStorage, MultiWriter, PersistClient, Update } from "tidemark"
import { retractUnsealed } from "tidemark/operators"

const amounts = { key: Codec.string, value: Codec.schema(Schema.Number) }
const Mail = Schema.Struct({ to: Schema.String, text: Schema.String, time: Schema.Number })
const mails = { key: Codec.string, value: Codec.schema(Mail) }

/** What the world outside has received: the second mail under an id is dropped. */
const received = new Map<string, string>()
let sent = 0

/** Stands before each step that others can see, and ends the process when its steps are used up. */
type Step = Effect.Effect<void, "killed">
const mortal = (steps: number): Step => {
  let left = steps
  return Effect.suspend(() => left-- > 0 ? Effect.void : Effect.fail("killed"))
}

/** Payments to balances and mails, from where it stopped to the present end of the input. */
const pipeline = Effect.fnUntraced(function*(step: Step) {
  const client = yield* PersistClient.PersistClient
  const payments = yield* client.createOrLoad("payments", amounts)
  const balances = yield* client.createOrLoad("balances", amounts)
  const outbox = yield* client.createOrLoad("outbox", mails)
  yield* client.createOrLoad("delivered", amounts)
  const both = yield* MultiWriter.make([balances.writer, outbox.writer])

  // What a killed run has written and not sealed is written anew.
  yield* retractUnsealed(balances.writer)
  yield* step
  yield* retractUnsealed(outbox.writer)
  const { upper: from } = yield* client.description("balances")
  const { upper: to } = yield* client.description("payments")

  /** One time: its payments, the balances that they change, and a mail for each. */
  const apply = Effect.fnUntraced(function*(time: number, rows: ReadonlyArray<Update.Update<string, number>>) {
    const { upper: gone } = yield* client.description("delivered")
    const past = time === 0 ? [] : yield* Stream.runCollect(outbox.range({ asOf: time - 1 }))
    const changes: Array<Update.Update<string, number>> = []
    const written: Array<Update.Update<string, typeof Mail.Type>> = []
    for (const { key, value } of rows) {
      const [old] = time === 0 ? [] : yield* balances.get(key, { asOf: time - 1 })
      const balance = (old?.[0] ?? 0) + value
      changes.push(...(old === undefined ? [] : [Update.retract(key, old[0], time)]), Update.insert(key, balance, time))
      written.push(Update.insert(`${key}@${time}`, { to: key, text: `your balance is ${balance}`, time }, time))
    }
    yield* step
    yield* both.appendAtomic((add) => {
      add(balances.writer, changes)
      add(outbox.writer, written)
      // Mails that have gone out are no longer kept.
      add(
        outbox.writer,
        past.filter(([, mail]) => mail.time < gone).map(([id, mail]) => Update.retract(id, mail, time))
      )
    })
    yield* step
    yield* both.seal(time + 1)
  })

  if (from >= to) return
  const events = yield* payments.subscribe({ from }).pipe(
    Stream.takeUntil((event) => event._tag === "Progress" && event.frontier >= to),
    Stream.runCollect
  )
  const rows = events.flatMap((event) => event._tag === "Updates" ? event.updates : [])
  for (const [time, ofTime] of Map.groupBy(rows.toSorted((a, b) => a.time - b.time), ({ time }) => time)) {
    yield* apply(time, ofTime)
  }
})

/** Sends what is in the outbox and was not sent yet. */
const relay = Effect.fnUntraced(function*(step: Step) {
  const client = yield* PersistClient.PersistClient
  const outbox = yield* client.createOrLoad("outbox", mails)
  const delivered = yield* client.createOrLoad("delivered", amounts)
  const { upper: from } = yield* client.description("delivered")
  const { upper: to } = yield* client.description("outbox")
  if (from >= to) return
  yield* outbox.subscribe({ from }).pipe(
    Stream.takeUntil((event) => event._tag === "Progress" && event.frontier >= to),
    Stream.runForEach(Effect.fnUntraced(function*(event) {
      if (event._tag === "Progress") {
        yield* step
        const { upper: expected } = yield* client.description("delivered")
        return yield* delivered.compareAndAppend([], { expected, upper: event.frontier })
      }
      for (const { key: id, value: { text } } of event.updates.filter(({ diff }) => diff > 0)) {
        yield* step
        sent++
        if (!received.has(id)) received.set(id, text)
      }
    }))
  )
})

/** One life of the process: a client of its own on the same storage. */
const life = (step: Step) =>
  Effect.andThen(pipeline(step), relay(step)).pipe(Effect.provide(PersistClient.layer(), { local: true }))

const pay = (time: number, rows: Record<string, number>) =>
  Effect.gen(function*() {
    const { writer } = yield* PersistClient.PersistClient.use((client) => client.createOrLoad("payments", amounts))
    const updates = Object.entries(rows).map(([account, amount]) => Update.insert(account, amount, time))
    yield* writer.compareAndAppend(updates, { expected: time, upper: time + 1 })
  }).pipe(Effect.provide(PersistClient.layer(), { local: true }))

/** The process dies before its step number `steps`, and is started again. Returns whether it did die. */
const scenario = Effect.fnUntraced(function*(steps: number) {
  received.clear()
  yield* pay(0, { ada: 10, bo: 5 })
  yield* pay(1, { ada: -3 })
  const killed = yield* Effect.isFailure(life(mortal(steps)))
  yield* life(mortal(Infinity))
  yield* pay(2, { bo: 4 })
  yield* life(mortal(Infinity))
  const texts = [...received.values()].toSorted().join(", ")
  if (texts !== "your balance is 10, your balance is 5, your balance is 7, your balance is 9") {
    return yield* Effect.die(new Error(`killed before step ${steps}, it sent: ${texts}`))
  }
  return killed
}, Effect.provide(MemoryStorage.layer, { local: true }))

let lives = 0
while (await Effect.runPromise(scenario(lives))) lives++
await Effect.runPromise(
  Console.log(`killed before each of ${lives} steps; ${sent - 4 * (lives + 1)} mails were sent twice`)
)
