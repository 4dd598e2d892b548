/**
 * Storage in memory with one fault in it: a crash before, in or after any of its operations, or one that fails.
 *
 * In a crash the operation never returns, and neither does any after it.
 */
import { Cause, Context, Deferred, Effect, Exit, Scope, Stream } from "effect"
import { Indeterminate, Unavailable } from "../../src/PersistError.ts"
import { Blob } from "../../src/storage/Blob.ts"
import { Log, type Writer } from "../../src/storage/Log.ts"
import * as MemoryStorage from "../../src/storage/MemoryStorage.ts"
import type * as Faulty from "../utils/Faulty.ts"
import * as Store from "../utils/Store.ts"

export interface Operation {
  readonly name: string
  /** What a crash may leave of a blob that was being put. */
  readonly bytes: number
}

export interface Fault {
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

export interface Subject {
  /** What a process does, with a fault perhaps. */
  readonly run: (storage: Faulty.Storage, scope: Scope.Scope) => Effect.Effect<void, unknown>
  /** Judges what is left. Each time, the storage is opened as another process would. */
  readonly judge: (storage: Effect.Effect<Faulty.Storage, never, Scope.Scope>) => Effect.Effect<unknown, unknown>
}

/** Runs a subject with the fault in its storage, and judges what is left. Returns the operations. */
export const strike = Effect.fnUntraced(
  function*(make: () => Subject, fault: Fault | undefined) {
    const store = yield* MemoryStorage.make
    const world: World = { operations: [], crashed: yield* Deferred.make<void>(), isDown: false }
    const subject = make()
    const scope = yield* Scope.make()
    const program = Effect.gen(function*() {
      yield* subject.run(struck(yield* Store.open(store), world, fault), scope)
      yield* Scope.close(scope, Exit.void)
    })
    // Nobody waits for a process that has crashed.
    const ended = yield* Deferred.make<void>()
    yield* Effect.forkDetach(Effect.andThen(Effect.exit(program), Deferred.succeed(ended, undefined)))
    yield* Effect.raceFirst(Deferred.await(ended), Deferred.await(world.crashed))
    yield* subject.judge(Store.open(store))
    return world.operations
  },
  (effect, _, fault) =>
    Effect.catchCause(effect, (cause) => Effect.die(new Error(`${JSON.stringify(fault)}: ${Cause.pretty(cause)}`)))
)

/** Strikes with each of the faults that the operations of a sound run allow, and returns how many there are. */
export const strikeAll = Effect.fnUntraced(function*(
  make: () => Subject,
  faultsOf: (operation: Operation, at: number) => ReadonlyArray<Fault>
) {
  const faults = (yield* strike(make, undefined)).flatMap(faultsOf)
  yield* Effect.forEach(faults, (fault) => strike(make, fault), { discard: true })
  return faults.length
})

/** The operations that change what is stored. */
export const changes: ReadonlySet<string> = new Set([
  "acquire",
  "append",
  "truncate",
  "put batch",
  "put rollup",
  "delete"
])
