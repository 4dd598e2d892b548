import { assert, describe, it } from "@effect/vitest"
import { Cause, Context, Deferred, Effect, Exit, Scope, Stream } from "effect"
import { Indeterminate, Unavailable } from "../../src/PersistError.ts"
import { Blob } from "../../src/storage/Blob.ts"
import { Log, type Writer } from "../../src/storage/Log.ts"
import * as MemoryStorage from "../../src/storage/MemoryStorage.ts"
import type * as Faulty from "../utils/Faulty.ts"
import * as Store from "../utils/Store.ts"
import * as Judge from "./Judge.ts"
import * as Workload from "./Workload.ts"

// Every operation of storage that the reference workload asks for is a place where something goes wrong. In a crash the
// operation never returns, and neither does any after it. TIDEMARK_CRASHES=all: a longer workload.

const isLong = process.env["TIDEMARK_CRASHES"] === "all"
const groups = Workload.make(isLong ? 12 : 4)
const sector = 512

interface Operation {
  readonly name: string
  /** What a crash may leave of a blob that was being put. */
  readonly bytes: number
}

interface Fault {
  /** The number of the operation that it strikes, from 0. */
  readonly at: number
  readonly kind: "crash before" | "crash after" | "torn" | "unavailable" | "applied" | "lost"
  /** So much of a torn blob is there. */
  readonly kept: number
}

interface World {
  readonly operations: Array<Operation>
  readonly crashed: Deferred.Deferred<void>
  isDown: boolean
}

/** Storage with one fault in it. */
const struck = (inner: Faulty.Storage, world: World, fault: Fault | undefined): Faulty.Storage => {
  const log = Context.get(inner, Log)
  const blob = Context.get(inner, Blob)
  const crash = Effect.suspend(() => {
    world.isDown = true
    return Effect.andThen(Deferred.succeed(world.crashed, undefined), Effect.never)
  })

  const at = <A, E, R>(
    name: string,
    run: Effect.Effect<A, E, R>,
    options: { readonly bytes?: Uint8Array; readonly torn?: (bytes: Uint8Array) => Effect.Effect<void, unknown> } = {}
  ) =>
    Effect.suspend((): Effect.Effect<A, E | Unavailable | Indeterminate, R> => {
      if (world.isDown) return Effect.never
      const number = world.operations.length
      world.operations.push({ name, bytes: options.bytes?.length ?? 0 })
      if (fault?.at !== number) return run
      const unknown = Effect.fail(new Indeterminate({ operation: name, detail: "made to be unknown" }))
      switch (fault.kind) {
        case "crash before":
          return crash
        case "crash after":
          return Effect.andThen(run, crash)
        case "torn":
          return Effect.andThen(Effect.orDie(options.torn!(options.bytes!.subarray(0, fault.kept))), crash)
        case "unavailable":
          return Effect.fail(new Unavailable({ operation: name, detail: "made to fail" }))
        case "applied":
          return Effect.andThen(run, unknown)
        case "lost":
          return unknown
      }
    })

  const writerOf = (writer: Writer): Writer => ({
    ...writer,
    append: (position, entries) => at("append", writer.append(position, entries)),
    truncate: (before) => at("truncate", writer.truncate(before))
  })

  return Context.make(Log, {
    ...log,
    acquire: Effect.map(at("acquire", log.acquire), writerOf),
    acquireAfter: (epoch) => Effect.map(at("acquire", log.acquireAfter(epoch)), writerOf),
    bounds: at("bounds", log.bounds),
    read: (from) => Stream.unwrap(at("read", Effect.succeed(log.read(from))))
  }).pipe(Context.add(Blob, {
    location: blob.location,
    put: (key, bytes) =>
      at(`put ${key.split("/")[0]}`, blob.put(key, bytes), { bytes, torn: (part) => blob.put(key, part) }),
    get: (key, range) => at("get", blob.get(key, range)),
    delete: (key) => at("delete", blob.delete(key)),
    list: (prefix) => Stream.unwrap(at("list", Effect.succeed(blob.list(prefix))))
  }))
}

/** Runs the workload with the fault in it, and judges what is left. */
const strike = Effect.fnUntraced(
  function*(fault: Fault | undefined) {
    const store = yield* MemoryStorage.make
    const world: World = { operations: [], crashed: yield* Deferred.make<void>(), isDown: false }
    const account: Workload.Account = []
    const scope = yield* Scope.make()
    const program = Effect.gen(function*() {
      const storage = struck(yield* Store.open(store), world, fault)
      const client = yield* Scope.provide(Store.client(storage, Store.tiny), scope)
      yield* Workload.run(client, groups, account)
      yield* Scope.close(scope, Exit.void)
    })
    // Nobody waits for a process that has crashed.
    const ended = yield* Deferred.make<void>()
    yield* Effect.forkDetach(Effect.andThen(Effect.exit(program), Deferred.succeed(ended, undefined)))
    yield* Effect.raceFirst(Deferred.await(ended), Deferred.await(world.crashed))
    yield* Judge.judge(Store.open(store), Workload.allowed(groups, account))
    return world.operations
  },
  (effect, fault) =>
    Effect.catchCause(effect, (cause) => Effect.die(new Error(`${JSON.stringify(fault)}: ${Cause.pretty(cause)}`)))
)

/** The workload as it goes without faults, which says where there can be some. */
const sound = strike(undefined)

const strikeAll = (faultsOf: (operation: Operation, at: number) => ReadonlyArray<Fault>) =>
  Effect.gen(function*() {
    const faults = (yield* sound).flatMap(faultsOf)
    assert.isAbove(faults.length, 20)
    yield* Effect.forEach(faults, strike, { discard: true })
    return faults.length
  })

const everywhere = (kind: Fault["kind"]) => strikeAll((_, at) => [{ at, kind, kept: 0 }])

const changes = new Set(["acquire", "append", "truncate", "put batch", "put rollup", "delete"])

describe("crash enumeration in memory", { timeout: isLong ? 1_800_000 : 120_000 }, () => {
  it.live("F120, F121: the reference workload does everything that storage can do, more than once", () =>
    Effect.gen(function*() {
      const counts = new Map<string, number>()
      for (const { name } of yield* sound) counts.set(name, (counts.get(name) ?? 0) + 1)
      assert.includeMembers([...counts.keys()], [...changes, "bounds", "read", "get", "list"])
      for (const name of ["append", "truncate", "put batch", "put rollup", "delete"]) {
        assert.isAbove(counts.get(name)!, 1, name)
      }
    }))

  it.live("F119: a crash before any operation", () => everywhere("crash before"))

  it.live("F119: a crash after any operation that changes something", () =>
    strikeAll(({ name }, at) => changes.has(name) ? [{ at, kind: "crash after", kept: 0 }] : []))

  it.live("a blob of which a crash leaves any number of sectors", () =>
    strikeAll(({ bytes }, at) =>
      Array.from({ length: Math.ceil(bytes / sector) }, (_, i) => ({ at, kind: "torn", kept: i * sector }))
    ))

  it.live("any operation fails once, and did nothing", () => everywhere("unavailable"))

  it.live("any append is of unknown outcome, and was applied or was not", () =>
    strikeAll(({ name }, at) =>
      name === "append" ? (["applied", "lost"] as const).map((kind) => ({ at, kind, kept: 0 })) : []
    ))
})
