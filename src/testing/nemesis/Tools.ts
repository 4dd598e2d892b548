/**
 * What tools do to a store that others have open, each as a process of its own: garbage collection, verification, copies.
 *
 * @internal
 */
import { Effect, Layer, type Scope, Stream } from "effect"
import * as PersistClient from "../../client/PersistClient.ts"
import * as Orphans from "../../runtime/Orphans.ts"
import * as StoreCopy from "../../runtime/StoreCopy.ts"
import * as Verification from "../../runtime/Verification.ts"
import type { Blob } from "../../storage/Blob.ts"
import type { Log } from "../../storage/Log.ts"
import * as MemoryStorage from "../../storage/MemoryStorage.ts"
import type { Prng } from "../Prng.ts"
import * as Simulation from "../simulation/Simulation.ts"
import { noteDefect, text, type World } from "./World.ts"

/** Deletes garbage as the writer, so that the writer before it is fenced. */
const gc = () => Orphans.remove

/** Whatever happens meanwhile, nothing is damaged. */
const verify = (world: World) =>
  Effect.map(Verification.run(() => {}), ({ problems }) => {
    for (const { detail, file } of problems) world.problems.push(`${file} was verified beside others: ${detail}`)
  })

/** Copies the store, and reads a collection from the copy. It shows what was acknowledged before it was begun. */
const copy = (world: World, random: Prng) =>
  Effect.gen(function*() {
    const client = `copy ${++world.clients}`
    const from = Layer.succeedContext(yield* Effect.context<Log | Blob>())
    const to = MemoryStorage.layerOf(yield* MemoryStorage.make)
    const described = yield* Effect.provide(PersistClient.makeReadOnly({}), from)
    const collections = yield* described.descriptions
    if (collections.length === 0) return
    const { id, name } = random.pick(collections)
    const reading = Effect.gen(function*() {
      yield* StoreCopy.copy({ from, to })
      const persist = yield* Effect.provide(PersistClient.makeReadOnly({}), to)
      const { reader } = yield* persist.load(name, text)
      // It was destroyed meanwhile, and created again.
      if ((yield* reader.id) !== id) return yield* Effect.interrupt
      const snapshot = yield* reader.snapshot()
      const rows = yield* Stream.runCollect(snapshot.contents)
      return { seqNo: snapshot.seqNo, since: snapshot.since, upper: snapshot.upper, rows }
    })
    yield* world.recorder.record(
      client,
      { _tag: "Snapshot", collection: id },
      reading,
      (contents) => ({ _tag: "Contents", ...contents })
    )
  }).pipe(Effect.scoped)

export type Step = "gc" | "verify" | "copy"

type Tool = (world: World, random: Prng) => Effect.Effect<unknown, unknown, Blob | Log | Scope.Scope>

const byStep: Readonly<Record<Step, Tool>> = { gc, verify, copy }

export const isStep = (step: string): step is Step => Object.hasOwn(byStep, step)

/** Starts the tool. It may fail, as others take the store from it, and as its storage fails. */
export const start = (world: World, step: Step, random: Prng) =>
  Simulation.spawn(
    Effect.onExit(
      Effect.scoped(byStep[step](world, random)),
      (exit) => Effect.sync(() => noteDefect(world, step, exit))
    )
  )
