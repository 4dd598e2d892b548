/** Histories of a store that keeps every promise: a sequential model, whose answers take their time. */
import type * as History from "../../../src/testing/history/History.ts"
import * as Prng from "../../../src/testing/Prng.ts"
import * as Model from "../../utils/Model.ts"

interface World {
  readonly random: Prng.Prng
  readonly history: Array<History.Operation>
  readonly models: ReadonlyArray<Model.Model>
  /** The moment at which the next operation takes effect. */
  now: number
  writer: string
  reader: string
  clients: number
  seqNo: number
  /** The greatest sequence number of a command that has changed something. */
  durable: number
  writes: number
}

type Answer = Pick<History.Operation, "outcome" | "reply">

const collections = [0, 1, 2]

const record = (world: World, client: string, call: History.Call, { outcome, reply }: Answer): void => {
  const { random } = world
  world.now += 10
  const isAnswered = outcome !== "unknown" || random.chance(0.5)
  world.history.push({
    client,
    call,
    outcome,
    invoked: world.now - random.int(30) / 2,
    completed: isAnswered ? world.now + random.int(30) / 2 : undefined,
    reply
  })
}

const open = (world: World, mode: "writer" | "reader"): string => {
  const client = `${mode} ${++world.clients}`
  world.now += 30
  record(world, client, { _tag: "Open", mode }, { outcome: "ok", reply: { _tag: "Done" } })
  world.now += 30
  return client
}

const updates = (world: World, from: number, to: number): ReadonlyArray<History.Update> => {
  const { random } = world
  const shared = Array.from(
    { length: random.int(4) },
    (): History.Update => [`k${random.int(3)}`, "shared", from + random.int(to - from), random.pick([-2, -1, 1, 2])]
  )
  const earliest = shared.reduce((least, [, , time]) => Math.min(least, time), from + random.int(to - from))
  return [[`k${random.int(3)}`, `own ${++world.writes}`, earliest, 1], ...shared]
}

const apply = (model: Model.Model, rows: ReadonlyArray<History.Update>): void => {
  for (const [key, value, time, diff] of rows) model.updates.push({ key, value, time, diff })
}

/** Executes a valid command, whose outcome its client may not hear of; then it may as well not happen. */
const command = (world: World, call: History.Call, effect: () => void): void => {
  const isKnown = world.random.chance(0.85)
  if (isKnown || world.random.chance(0.5)) {
    effect()
    world.durable = ++world.seqNo
  }
  const reply: History.Reply = { _tag: "Sequenced", seqNo: world.seqNo }
  record(world, world.writer, call, isKnown ? { outcome: "ok", reply } : { outcome: "unknown" })
}

const refused = (world: World, call: History.Call, reason: string): void => {
  world.seqNo++
  record(world, world.writer, call, {
    outcome: "failed",
    reply: { _tag: "Refused", error: "InvalidRequest", reason }
  })
}

const write = (world: World): void => {
  const { random } = world
  const targets = collections.filter(() => random.chance(0.5)).map((collection) => {
    const { upper } = world.models[collection]!
    return { collection, updates: updates(world, upper, upper + 6) }
  })
  command(world, { _tag: "Write", targets }, () => {
    for (const target of targets) apply(world.models[target.collection]!, target.updates)
  })
}

const lateWrite = (world: World, collection: number, { upper }: Model.Model): void => {
  if (upper === 0) return
  const late = updates(world, 0, upper)
  refused(world, { _tag: "Write", targets: [{ collection, updates: late }] }, "TimeSealed")
}

const seal = (world: World, collection: number, model: Model.Model): void => {
  const upper = model.upper + 1 + world.random.int(4)
  // A seal of unknown outcome that happened could make the next write fail.
  model.upper = upper
  world.durable = ++world.seqNo
  const reply: History.Reply = { _tag: "Sequenced", seqNo: world.seqNo }
  record(world, world.writer, { _tag: "Seal", collections: [collection], upper }, { outcome: "ok", reply })
}

const allowCompaction = (world: World, collection: number, model: Model.Model): void => {
  const since = model.since + 1 + world.random.int(2)
  command(world, { _tag: "AllowCompaction", collections: [collection], since }, () => {
    model.since = since
  })
}

const compareAndAppend = (world: World, collection: number, model: Model.Model): void => {
  const expected = model.upper
  const upper = expected + 2
  const rows = updates(world, expected, upper)
  model.upper = upper
  apply(model, rows)
  world.durable = ++world.seqNo
  const reply: History.Reply = { _tag: "Sequenced", seqNo: world.seqNo }
  const call = (rows: ReadonlyArray<History.Update>): History.Call => ({
    _tag: "CompareAndAppend",
    targets: [{ collection, updates: rows, expected, upper }]
  })
  record(world, world.writer, call(rows), { outcome: "ok", reply })
  record(world, world.writer, call(updates(world, expected, upper)), {
    outcome: "failed",
    reply: { _tag: "Refused", error: "UpperMismatch", actual: upper }
  })
}

const snapshot = (world: World, collection: number, model: Model.Model): void => {
  const { random } = world
  const isReader = random.chance(0.3)
  const client = isReader ? world.reader : world.writer
  const asOf = model.since < model.upper && random.chance(0.5)
    ? model.since + random.int(model.upper - model.since)
    : undefined
  const rows = Model.contents(model, asOf)
  const seqNo = isReader ? world.durable : world.seqNo
  const { since, upper } = model
  record(world, client, { _tag: "Snapshot", collection, ...asOf === undefined ? {} : { asOf } }, {
    outcome: "ok",
    reply: { _tag: "Contents", seqNo, since, upper, rows }
  })
}

const delivered = (rows: ReadonlyArray<Model.Row>): History.Delivered => ({
  _tag: "Updates",
  updates: rows.map(({ diff, key, time, value }) => [key, value, time, diff])
})

const subscribe = (world: World, collection: number, model: Model.Model): void => {
  const { random } = world
  if (model.upper <= model.since + 2) return
  const asOf = model.since
  const middle = asOf + 1 + random.int(model.upper - asOf - 1)
  const until = (to: number, from = 0, since = 0) =>
    Model.consolidate(model.updates.filter(({ time }) => time >= from && time < to), since)
  const first: ReadonlyArray<History.Delivered> = [
    delivered(until(middle, 0, asOf)),
    { _tag: "Progress", frontier: middle }
  ]
  const second: ReadonlyArray<History.Delivered> = [
    delivered(until(model.upper, middle)),
    { _tag: "Progress", frontier: model.upper }
  ]
  const isResumed = random.chance(0.5)
  record(world, world.reader, { _tag: "Subscribe", collection, asOf }, {
    outcome: "unknown",
    reply: { _tag: "Delivered", events: isResumed ? first : [...first, ...second] }
  })
  if (!isResumed) return
  record(world, world.reader, { _tag: "Subscribe", collection, from: middle }, {
    outcome: "unknown",
    reply: { _tag: "Delivered", events: second }
  })
}

/** A new writer finds what is durable; numbers that were given for nothing are given again. */
const restart = (world: World): void => {
  world.seqNo = world.durable
  world.writer = open(world, "writer")
  if (world.random.chance(0.5)) world.reader = open(world, "reader")
}

export const make = (seed: number, steps = 80): Array<History.Operation> => {
  const random = Prng.make(seed)
  const models = collections.map(() => Model.make())
  const world: World = {
    random,
    models,
    history: [],
    now: 0,
    writer: "",
    reader: "",
    clients: 0,
    seqNo: 0,
    durable: 0,
    writes: 0
  }
  world.writer = open(world, "writer")
  world.reader = open(world, "reader")
  for (const collection of collections) {
    record(world, world.writer, { _tag: "Register", name: `c${collection}` }, {
      outcome: "ok",
      reply: { _tag: "Registered", collection }
    })
  }
  world.now += 30
  for (let i = 0; i < steps; i++) {
    const collection = random.pick(collections)
    const model = models[collection]!
    const choice = random.int(100)
    if (choice < 40) write(world)
    else if (choice < 45) lateWrite(world, collection, model)
    else if (choice < 55) seal(world, collection, model)
    else if (choice < 60) allowCompaction(world, collection, model)
    else if (choice < 65) compareAndAppend(world, collection, model)
    else if (choice < 85) snapshot(world, collection, model)
    else if (choice < 96) subscribe(world, collection, model)
    else restart(world)
  }
  return world.history
}
