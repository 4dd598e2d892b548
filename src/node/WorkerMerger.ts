/**
 * Merge jobs in a worker thread, so that the processor time of maintenance is not taken from the writers.
 *
 * The thread is started by the first job and kept for the next ones, and keeps a process alive only while it works. Jobs run one at a
 * time; blocks and finished files are handed over, not copied.
 *
 * @internal
 */
import { Effect, Layer, Semaphore } from "effect"
import { Worker } from "node:worker_threads"
import { Corrupt, UnsupportedFormat, ValueOutOfRange } from "../PersistError.ts"
import { type MergeError, Merger } from "../runtime/Merger.ts"
import { type Answer, detached, type Question } from "./MergeProtocol.ts"

type Failed = Extract<Answer, { readonly _tag: "Failed" }>

/** The worker's module has the extension of this one: `.ts` in a checkout, `.js` when installed. */
const workerUrl = new URL(import.meta.url.endsWith(".ts") ? "./MergeWorker.ts" : "./MergeWorker.js", import.meta.url)

export const make = Effect.gen(function*() {
  const one = Semaphore.makeUnsafe(1)
  let worker: Worker | undefined
  yield* Effect.addFinalizer(() => Effect.promise(async () => worker?.terminate()))

  const started = (): Worker => {
    if (worker !== undefined) return worker
    const made = new Worker(workerUrl, { execArgv: [] })
    made.on("exit", () => {
      if (worker === made) worker = undefined
    })
    worker = made
    return made
  }

  const ask = (question: Question, transfer: Array<ArrayBuffer> = []): Effect.Effect<Answer> =>
    Effect.callback((resume) => {
      const asked = started()
      asked.ref()
      const settle = (result: Effect.Effect<Answer>) => {
        asked.off("message", onMessage)
        asked.off("error", onError)
        asked.off("exit", onExit)
        asked.unref()
        resume(result)
      }
      const onMessage = (answer: Answer) => settle(Effect.succeed(answer))
      const onError = (error: unknown) => settle(Effect.die(error))
      const onExit = (code: number) => settle(Effect.die(new Error(`the merge worker ended with code ${code}`)))
      asked.on("message", onMessage)
      asked.on("error", onError)
      asked.on("exit", onExit)
      asked.postMessage(question, transfer)
    })

  const run: Merger["run"] = Effect.fnUntraced(function*(task, outside) {
    let answer = yield* ask({ _tag: "Start", task })
    while (answer._tag !== "Done") {
      if (answer._tag === "Failed") return yield* failure(answer)
      if (answer._tag === "Part") {
        yield* outside.store(answer.bytes, answer.meta)
        answer = yield* ask({ _tag: "Continue" })
      } else {
        const { input } = answer
        const found = yield* outside.feed(input)
        const { piece, transfer } = found === undefined ? { piece: found, transfer: [] } : detached(found)
        answer = yield* ask({ _tag: "Feed", input, piece }, transfer)
      }
    }
  })
  /** A job that is broken off leaves a worker whose next answer nobody waits for. */
  const abandon = Effect.sync(() => {
    void worker?.terminate()
    worker = undefined
  })
  const merger: Merger = {
    run: (task, outside) => one.withPermit(Effect.onInterrupt(run(task, outside), () => abandon))
  }
  return merger
})

const failure = ({ error }: Failed): Effect.Effect<never, MergeError> => {
  switch (error._tag) {
    case "Corrupt":
      return Effect.fail(new Corrupt(error.fields))
    case "UnsupportedFormat":
      return Effect.fail(new UnsupportedFormat(error.fields))
    case "ValueOutOfRange":
      return Effect.fail(new ValueOutOfRange(error.fields))
    case "Defect":
      return Effect.die(new Error(error.message))
  }
}

/** Puts the merges of a client that is built with this layer into a worker thread. */
export const layer: Layer.Layer<never> = Layer.effect(Merger, make)
