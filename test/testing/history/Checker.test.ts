import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Indeterminate, UpperMismatch } from "../../../src/PersistError.ts"
import * as HistoryChecker from "../../../src/testing/history/Checker.ts"
import * as History from "../../../src/testing/history/History.ts"
import * as HistoryViolation from "../../../src/testing/history/Violation.ts"
import * as Prng from "../../../src/testing/Prng.ts"
import * as Honest from "./Honest.ts"

/** A history as it comes from files of several processes: as JSON, in any order. */
const gathered = (history: History.History, random: Prng.Prng): History.History => {
  const dealt = history.map((operation) => ({ operation, at: random.u32() })).toSorted((a, b) => a.at - b.at)
  return JSON.parse(JSON.stringify(dealt.map(({ operation }) => operation))) as History.History
}

const kindsOf = (history: History.History): ReadonlySet<HistoryViolation.Kind> =>
  new Set(HistoryChecker.check(history).map(({ kind }) => kind))

type Replies = History.Reply["_tag"]
type With<Call extends History.Call["_tag"], Reply extends Replies> = History.Operation & {
  readonly call: Extract<History.Call, { readonly _tag: Call }>
  readonly reply: Extract<History.Reply, { readonly _tag: Reply }>
}

const is = <Call extends History.Call["_tag"], Reply extends Replies>(call: Call, reply: Reply) =>
(
  operation: History.Operation
): operation is With<Call, Reply> => operation.call._tag === call && operation.reply?._tag === reply

/** Tells one lie, or none where there is nothing to lie about. */
type Lie = (history: History.History, random: Prng.Prng) => History.History | undefined

const replace = <A extends History.Operation>(
  history: History.History,
  one: A | undefined,
  change: (one: A) => History.Operation
): History.History | undefined =>
  one === undefined ? undefined : history.map((operation) => operation === one ? change(one) : operation)

const pick = <A>(random: Prng.Prng, items: ReadonlyArray<A>): A | undefined =>
  items.length === 0 ? undefined : random.pick(items)

const acknowledged = (history: History.History) =>
  history.filter(is("Write", "Sequenced")).filter(({ call, outcome }) => outcome === "ok" && call.targets.length > 0)

/** Values that acknowledged writes alone have written. */
const certain = (history: History.History): ReadonlySet<string> =>
  new Set(acknowledged(history).flatMap(({ call }) => call.targets.map(({ updates }) => updates[0]![1])))

/** Changes the rows of a snapshot, of which one is given that an acknowledged write alone has written. */
const inSnapshot =
  (change: (rows: ReadonlyArray<History.Row>, own: History.Row) => ReadonlyArray<History.Row>): Lie =>
  (history, random) => {
    const values = certain(history)
    const isOwn = ([, value]: History.Row) => values.has(value)
    const snapshots = history.filter(is("Snapshot", "Contents")).filter(({ reply }) => reply.rows.some(isOwn))
    return replace(history, pick(random, snapshots), (one) => ({
      ...one,
      reply: { ...one.reply, rows: change(one.reply.rows, random.pick(one.reply.rows.filter(isOwn))) }
    }))
  }

/** Changes the updates of one event of a subscription, of which one is given of an acknowledged write alone. */
const inSubscription = (
  change: (updates: ReadonlyArray<History.Update>, own: History.Update) => ReadonlyArray<History.Update>,
  isMeant: (operation: With<"Subscribe", "Delivered">) => boolean = () => true
): Lie =>
(history, random) => {
  const values = certain(history)
  const isOwn = ([, value]: History.Update) => values.has(value)
  const isTelling = (event: History.Delivered) => event._tag === "Updates" && event.updates.some(isOwn)
  const telling = history.filter(is("Subscribe", "Delivered")).filter((operation) =>
    isMeant(operation) && operation.reply.events.some(isTelling)
  )
  return replace(history, pick(random, telling), (one) => {
    const at = one.reply.events.findLastIndex(isTelling)
    const events = one.reply.events.map((event, i) =>
      i === at && event._tag === "Updates"
        ? { ...event, updates: change(event.updates, random.pick(event.updates.filter(isOwn))) }
        : event
    )
    return { ...one, reply: { ...one.reply, events } }
  })
}

/** Those whose rows a snapshot shows that has all rows. */
const shown = (history: History.History) => {
  const snapshots = history.filter(is("Snapshot", "Contents"))
  return acknowledged(history).filter(({ call }) =>
    call.targets.some(({ collection, updates: [first] }) =>
      snapshots.some(({ call, reply }) =>
        call.collection === collection && reply.rows.some(([, value]) => value === first?.[1])
      )
    )
  )
}

const lies: ReadonlyArray<readonly [name: string, found: ReadonlyArray<HistoryViolation.Kind>, lie: Lie]> = [
  [
    "a write is lost",
    ["LostWrite", "HalfCommand"],
    inSnapshot((rows, own) => rows.filter((row) => row !== own))
  ],
  [
    "a write is doubled",
    ["DoubledWrite", "HalfCommand"],
    inSnapshot((rows, own) => rows.map((row) => row === own ? [row[0], row[1], 2] : row))
  ],
  [
    "half a command is shown",
    ["HalfCommand", "WrongSum"],
    inSnapshot((rows) => {
      const shared = rows.findIndex(([, value]) => value === "shared")
      return shared < 0
        ? [...rows, ["k0", "shared", 1]]
        : rows.map(([key, value, n], i) => [key, value, i === shared ? n + 3 : n])
    })
  ],
  ["a row comes from nowhere", ["WrongSum"], inSnapshot((rows) => [...rows, ["k9", "foreign", 1]])],
  [
    "a write that was reported as failed is shown",
    ["FailedWriteVisible"],
    (history, random) =>
      replace(history, pick(random, shown(history)), (one) => ({
        ...one,
        outcome: "failed",
        reply: { _tag: "Refused", error: "Unavailable" }
      }))
  ],
  ["a write of the future is shown", ["FutureWrite", "StaleRead"], (history, random) => {
    const snapshots = history.filter(is("Snapshot", "Contents")).filter(({ call, reply }) =>
      call.asOf === undefined && reply.rows.some(([, value]) => value.startsWith("own"))
    )
    return replace(history, pick(random, snapshots), (one) => ({ ...one, reply: { ...one.reply, seqNo: 0 } }))
  }],
  ["a snapshot misses what was acknowledged before", ["StaleRead"], (history, random) => {
    const late = history.filter(is("Snapshot", "Contents")).filter(({ call, client, invoked }) =>
      call.asOf === undefined &&
      acknowledged(history).some((write) => write.client === client && write.completed! < invoked)
    )
    return replace(history, pick(random, late), (one) => ({
      ...one,
      reply: { ...one.reply, seqNo: 0, since: one.reply.since, rows: [] }
    }))
  }],
  ["the order of two writes contradicts real time", ["OrderViolated"], (history) => {
    const [first, ...later] = acknowledged(history)
    const last = later.findLast(({ invoked }) => invoked > first!.completed!)
    if (first === undefined || last === undefined) return undefined
    return history.map((operation) =>
      operation === first
        ? { ...first, reply: last.reply }
        : operation === last
        ? { ...last, reply: first.reply }
        : operation
    )
  }],
  ["a sequence number is given twice", ["OrderViolated"], (history) => {
    const [first, second] = acknowledged(history)
    return replace(history, second, (one) => ({ ...one, reply: first!.reply }))
  }],
  ["an upper moves back", ["FrontierRegressed"], (history, random) => {
    const snapshots = history.filter(is("Snapshot", "Contents")).filter(({ call, client, invoked }) =>
      call.asOf === undefined &&
      history.filter(is("Seal", "Sequenced")).some((seal) =>
        seal.client === client && seal.completed! < invoked && seal.call.collections.includes(call.collection)
      )
    )
    return replace(history, pick(random, snapshots), (one) => ({ ...one, reply: { ...one.reply, upper: 0 } }))
  }],
  [
    "a since is ahead of what was asked for",
    ["FrontierAhead"],
    (history, random) =>
      replace(history, pick(random, history.filter(is("Snapshot", "Contents"))), (one) => ({
        ...one,
        reply: { ...one.reply, since: 500 }
      }))
  ],
  ["a time that is not complete is read", ["FrontierAhead"], (history, random) => {
    const timed = history.filter(is("Snapshot", "Contents")).filter(({ call }) => call.asOf !== undefined)
    return replace(history, pick(random, timed), (one) => ({ ...one, reply: { ...one.reply, upper: one.call.asOf! } }))
  }],
  [
    "a subscription has a hole",
    ["LostWrite", "HalfCommand"],
    inSubscription((updates, own) => updates.filter((update) => update !== own))
  ],
  [
    "a subscription delivers an update twice",
    ["DoubledWrite", "HalfCommand"],
    inSubscription((updates, own) => [...updates, own])
  ],
  [
    "a subscription delivers an update at another time",
    ["FutureWrite", "LostWrite", "HalfCommand"],
    inSubscription(
      (updates, own) =>
        updates.map((update) => update === own ? [update[0], update[1], update[2] + 1, update[3]] : update),
      ({ call }) => call.from !== undefined
    )
  ],
  [
    "a subscription goes back",
    ["FrontierRegressed"],
    (history, random) =>
      replace(history, pick(random, history.filter(is("Subscribe", "Delivered"))), (one) => ({
        ...one,
        reply: { ...one.reply, events: [...one.reply.events, { _tag: "Progress", frontier: 1 }] }
      }))
  ],
  ["a write below a seal is accepted", ["SealedTimeWritten"], (history, random) => {
    const late = history.filter((operation) =>
      operation.reply?._tag === "Refused" && operation.reply.reason === "TimeSealed"
    )
    return replace(history, pick(random, late), (one) => ({
      ...one,
      outcome: "ok",
      reply: { _tag: "Sequenced", seqNo: 1_000 }
    }))
  }],
  [
    "a valid write is refused",
    ["WronglyRefused"],
    (history, random) =>
      replace(history, pick(random, acknowledged(history)), (one) => ({
        ...one,
        outcome: "failed",
        call: {
          ...one.call,
          targets: one.call.targets.map((target) => ({ ...target, updates: [["k", "late", 900, 1]] }))
        },
        reply: { _tag: "Refused", error: "InvalidRequest", reason: "TimeSealed" }
      }))
  ],
  ["two append at one upper", ["AppendedTwice"], (history, random) => {
    const lost = history.filter((operation) =>
      operation.reply?._tag === "Refused" && operation.reply.error === "UpperMismatch"
    )
    return replace(history, pick(random, lost), (one) => ({
      ...one,
      outcome: "ok",
      reply: { _tag: "Sequenced", seqNo: 1_000 }
    }))
  }],
  ["a destroyed collection takes a write", ["DestroyedInUse"], (history) => {
    const writes = acknowledged(history)
    const last = writes.at(-1)
    if (last === undefined || writes.length < 2) return undefined
    const collection = last.call.targets[0]!.collection
    return [...history, {
      client: last.client,
      call: { _tag: "Destroy", name: `c${collection}` },
      outcome: "ok",
      invoked: last.invoked - 2,
      completed: last.invoked - 1,
      reply: { _tag: "Done" }
    }]
  }],
  [
    "an operation dies",
    ["Defect"],
    (history, random) =>
      replace(history, pick(random, history.filter(is("Snapshot", "Contents"))), (one) => ({
        ...one,
        outcome: "unknown",
        reply: { _tag: "Refused", error: "Defect", reason: "TypeError" }
      }))
  ],
  ["what was shown once is gone later", ["LostWrite"], (history) => {
    const sequenced = history.filter(is("Snapshot", "Contents")).filter(({ call }) => call.asOf === undefined)
    const unknown = history.filter(({ call, outcome }) => call._tag === "Write" && outcome === "unknown")
    for (const { call } of unknown) {
      if (call._tag !== "Write") continue
      for (const { collection, updates: [first] } of call.targets) {
        const showing = sequenced.filter((one) =>
          one.call.collection === collection && one.reply.rows.some(([, value]) => value === first?.[1])
        )
        const [one, later] = showing.toSorted((a, b) => a.reply.seqNo - b.reply.seqNo)
        if (one === undefined || later === undefined || one.client !== later.client) continue
        return replace(history, later, (operation) => ({
          ...operation,
          reply: { ...operation.reply, rows: operation.reply.rows.filter(([, value]) => value !== first![1]) }
        }))
      }
    }
    return undefined
  }]
]

describe("the history checker", () => {
  it("passes honest histories, in any order and as JSON", () => {
    for (let seed = 0; seed < 400; seed++) {
      const history = gathered(Honest.make(seed), Prng.make(seed))
      const found = HistoryChecker.check(history).map((violation) => HistoryViolation.format(violation, history))
      assert.deepStrictEqual(found, [], `seed ${seed}`)
    }
  })

  it.each(lies)("finds it when %s", (_, kinds, lie) => {
    let delivered = 0
    for (let seed = 0; seed < 60; seed++) {
      const random = Prng.make(seed)
      const lied = lie(Honest.make(seed), random)
      if (lied === undefined) continue
      delivered++
      const found = kindsOf(gathered(lied, random))
      assert(kinds.some((kind) => found.has(kind)), `seed ${seed}: found ${[...found].join(", ") || "nothing"}`)
    }
    assert.isAbove(delivered, 5)
  })

  it("says what is wrong, and in which operations", () => {
    const history = Honest.make(1).filter(({ call }) => call._tag !== "Subscribe")
    const lied = inSnapshot((rows, own) => rows.filter((row) => row !== own))(history, Prng.make(1))!
    const violation = HistoryChecker.check(lied)[0]!
    assert.match(HistoryViolation.format(violation, lied), /^LostWrite: .*\n {2}#\d+ .*Snapshot.*\n {2}#\d+ .*Write/)
  })
})

describe("a command of unknown outcome that takes a row back at a later time", () => {
  const first: History.Update = ["k", "v", 1, 1]
  const second: History.Update = ["k", "v", 2, -1]
  const write = (invoked: number, updates: ReadonlyArray<History.Update>): History.Operation => ({
    client: "w",
    call: { _tag: "Write", targets: [{ collection: 0, updates }] },
    outcome: "ok",
    invoked,
    completed: invoked + 1,
    reply: { _tag: "Sequenced", seqNo: invoked }
  })
  const operations = (rows: ReadonlyArray<History.Row>): History.History => [
    {
      client: "w",
      call: { _tag: "Open", mode: "writer" },
      outcome: "ok",
      invoked: 0,
      completed: 1,
      reply: { _tag: "Done" }
    },
    {
      client: "w",
      call: { _tag: "Register", name: "c" },
      outcome: "ok",
      invoked: 2,
      completed: 3,
      reply: { _tag: "Registered", collection: 0 }
    },
    { ...write(4, [first, second]), outcome: "unknown", completed: undefined, reply: undefined },
    // What was there was found, and taken back in another command.
    write(6, [["k", "v", 1, -1], ["k", "v", 2, 1]]),
    {
      client: "w",
      call: { _tag: "Seal", collections: [0], upper: 3 },
      outcome: "ok",
      invoked: 8,
      completed: 9,
      reply: { _tag: "Sequenced", seqNo: 8 }
    },
    {
      client: "w",
      call: { _tag: "Snapshot", collection: 0, asOf: 1 },
      outcome: "ok",
      invoked: 10,
      completed: 11,
      reply: { _tag: "Contents", seqNo: 8, since: 0, upper: 3, rows }
    }
  ]

  it("may have been applied, or not: the row may be there between the two", () => {
    assert.deepStrictEqual(HistoryChecker.check(operations([])), [])
    assert.deepStrictEqual(HistoryChecker.check(operations([["k", "v", -1]])), [])
  })
})

describe("a recorder", () => {
  it.effect("records what was asked and answered, and what was not", () =>
    Effect.gen(function*() {
      const recorder = History.recorder()
      const call: History.Call = { _tag: "Register", name: "a" }
      const reply = (collection: number): History.Reply => ({ _tag: "Registered", collection })
      const run = (effect: Effect.Effect<number, unknown>) => Effect.exit(recorder.record("c", call, effect, reply))
      yield* run(Effect.succeed(7))
      yield* run(Effect.fail(new UpperMismatch({ collection: "a", expected: 1, actual: 2 })))
      yield* run(Effect.fail(new Indeterminate({ operation: "append", detail: "" })))
      yield* run(Effect.die(new TypeError("no")))
      yield* run(Effect.interrupt)
      const tell = recorder.subscription("c", { _tag: "Subscribe", collection: 0 })
      tell({ _tag: "Progress", frontier: 1 })

      const [ok, refused, unknown, died, interrupted, delivered] = recorder.history()
      assert.deepInclude(ok, { outcome: "ok", invoked: 0, completed: 1, reply: { _tag: "Registered", collection: 7 } })
      assert.deepInclude(refused, { outcome: "failed" })
      assert.deepInclude(refused!.reply, { error: "UpperMismatch", actual: 2 })
      assert.deepInclude(unknown, { outcome: "unknown" })
      assert.deepInclude(died!.reply, { error: "Defect", reason: "TypeError: no" })
      assert.notProperty(interrupted, "completed")
      assert.deepInclude(delivered, {
        outcome: "unknown",
        reply: { _tag: "Delivered", events: [{ _tag: "Progress", frontier: 1 }] }
      })
    }))
})
