/**
 * A year of an application in seconds: it polls a meter every few hours, keeps a month of history, and reports every night,
 * while its process dies in power failures, and its storage is slow, unavailable, full, or silent about how a write
 * ended. Every seed is another year: `TIDEMARK_SEEDS=20` for twenty of them.
 */
import { Clock, Console, Effect, Random, Schedule, Schema } from "effect"
import { Codec, PersistClient, Update } from "tidemark"
import { Faults, Seeds, Simulation } from "tidemark/testing"

const hour = 3_600_000
const day = 24 * hour
const kept = 30 * day

/** What the world outside remembers, whatever happens to the process. */
interface World {
  /** What the meter counted in each hour. It can be asked again. */
  readonly meter: (hour: number) => number
  /** The reports that were sent, by day. */
  readonly reports: Map<number, number>
}

const meter = PersistClient.PersistClient.use((persist) =>
  persist.createOrLoad("meter", { key: Codec.string, value: Codec.schema(Schema.Number) })
)

/** The sum of everything that was counted before a time. */
const totalBefore = Effect.fnUntraced(function*(time: number) {
  const { reader } = yield* meter
  const [found] = time === 0 ? [] : yield* reader.get("total", { asOf: time - 1 })
  return found === undefined ? 0 : found[0]
})

const description = PersistClient.PersistClient.use((persist) => persist.description("meter"))

/** Stores the hours that are over and not there yet. Exactly once: `upper` says where to go on, and guards it. */
const poll = Effect.fnUntraced(function*(world: World) {
  const { writer } = yield* meter
  const { upper: expected } = yield* description
  const now = yield* Clock.currentTimeMillis
  let total = yield* totalBefore(expected)
  const rows: Array<Update.Update<string, number>> = []
  let upper = expected
  for (; upper + hour <= now; upper += hour) {
    const next = total + world.meter(upper / hour)
    rows.push(...(upper === 0 ? [Update.insert("total", next, 0)] : Update.replace("total", total, next, upper)))
    total = next
  }
  if (upper > expected) yield* writer.compareAndAppend(rows, { expected, upper })
})

/** Gives up the history before the last month. */
const retain = Effect.gen(function*() {
  const { writer } = yield* meter
  const { since, upper } = yield* description
  if (upper - kept > since) yield* writer.allowCompaction(upper - kept)
})

/** Sends what was counted between the last two midnights: two reads, each as of its time. */
const report = Effect.fnUntraced(function*(world: World) {
  yield* meter
  const midnight = Math.floor((yield* description).upper / day) * day
  if (midnight === 0) return
  const sum = (yield* totalBefore(midnight)) - (yield* totalBefore(midnight - day))
  world.reports.set(midnight / day, sum)
})

/** The application: what `main` would run. Whatever fails is tried again at its next turn. */
const application = (world: World) =>
  Effect.all([
    Effect.repeat(Effect.ignore(poll(world)), Schedule.spaced("4 hours")),
    Effect.repeat(Effect.ignore(retain), Schedule.spaced("6 hours")),
    Effect.repeat(Effect.ignore(report(world)), Schedule.spaced("8 hours"))
  ], { concurrency: "unbounded" }).pipe(
    Effect.provide(PersistClient.layer({ maintenance: Schedule.spaced("1 hour"), memoryBytes: 10_000 })),
    Effect.retry(Schedule.spaced("1 minute"))
  )

/** The year, and what must be true of it. */
const year = Effect.gen(function*() {
  const counted = yield* Effect.replicateEffect(Random.nextIntBetween(0, 100), 400 * 24)
  const world: World = { meter: (hour) => counted[hour]!, reports: new Map() }
  while ((yield* Clock.currentTimeMillis) < 365 * day) {
    yield* Simulation.spawn(application(world))
    yield* Effect.sleep((yield* Random.nextIntBetween(1, 30 * 24)) * hour)
    yield* Simulation.crash
  }
  for (const [number, sum] of world.reports) {
    const expected = counted.slice((number - 1) * 24, number * 24).reduce((a, b) => a + b, 0)
    if (sum !== expected) return yield* Effect.die(new Error(`day ${number} is reported with ${sum}, not ${expected}`))
  }
  if (world.reports.size < 350) return yield* Effect.die(new Error(`there are only ${world.reports.size} reports`))
})

const { faults, seeds, virtualMillis } = await Effect.runPromise(Seeds.check({
  program: year,
  seeds: 1,
  faults: Faults.mild,
  command: "npm run example docs/examples/simulated-year.ts"
}))
await Effect.runPromise(
  Console.log(
    `${Math.floor(virtualMillis / day)} days with ${faults} faults in ${seeds === 1 ? "one year" : `${seeds} years`}`
  )
)
