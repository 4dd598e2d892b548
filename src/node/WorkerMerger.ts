/**
 * Merge jobs in a worker thread, so that maintenance takes no processor time from the writers.
 *
 * The thread is started by the first job and reused by the next ones. It keeps a process alive only while it works.
 * Jobs run one at a time. Blocks and finished files are transferred, not copied. If the worker dies, its job begins
 * anew in another one. If that dies as well, or none can be started, this job and all later ones run in the thread of
 * the process.
 *
 * @internal
 */
import { Effect, Layer, Metric, Semaphore } from "effect"
import { existsSync } from "node:fs"
import { Worker, type WorkerOptions } from "node:worker_threads"
import { Corrupt, UnsupportedFormat, ValueOutOfRange } from "../PersistError.ts"
import { inProcess, type MergeError, Merger, type Outside } from "../runtime/Merger.ts"
import * as Metrics from "../runtime/Metrics.ts"
import { type Answer, detached, type Question } from "./MergeProtocol.ts"

export interface Options {
  /** Starts a worker. May throw. */
  readonly start: () => Worker
}

type Failed = Extract<Answer, { readonly _tag: "Failed" }>

/** What ended a worker, or kept it from starting. */
interface Died {
  readonly _tag: "Died"
  readonly cause: unknown
}

const died = (cause: unknown): Died => ({ _tag: "Died", cause })

/** The most workers that one job may use up. */
const maxWorkers = 2

/** The worker of a merger: started by the first question, and after its death by the next question. */
const makeThread = (start: () => Worker) => {
  let worker: Worker | undefined

  const running = (): Worker => {
    if (worker !== undefined) return worker
    const started = start()
    const forget = () => {
      if (worker === started) worker = undefined
    }
    // A worker may die while no job waits for its answer.
    started.on("error", forget)
    started.on("exit", forget)
    worker = started
    return started
  }

  const ask = (question: Question, transfer: Array<ArrayBuffer> = []): Effect.Effect<Answer | Died> =>
    Effect.callback((resume) => {
      let asked: Worker
      try {
        asked = running()
      } catch (cause) {
        return resume(Effect.succeed(died(cause)))
      }
      asked.ref()
      const settle = (answer: Answer | Died) => {
        asked.off("message", settle)
        asked.off("error", onError)
        asked.off("exit", onExit)
        asked.unref()
        resume(Effect.succeed(answer))
      }
      const onError = (error: unknown) => settle(died(error))
      const onExit = (code: number) => settle(died(new Error(`the merge worker ended with code ${code}`)))
      asked.on("message", settle)
      asked.on("error", onError)
      asked.on("exit", onExit)
      asked.postMessage(question, transfer)
    })

  const terminate = async () => {
    const ended = worker
    worker = undefined
    await ended?.terminate()
  }
  return { ask, terminate }
}

type Thread = ReturnType<typeof makeThread>

/** Runs a job in the worker. Returns what the worker died of, if it did. */
const inWorker = Effect.fnUntraced(
  function*<E>({ ask }: Thread, task: Parameters<Merger["run"]>[0], outside: Outside<E>) {
    let answer = yield* ask({ _tag: "Start", task })
    while (answer._tag !== "Done") {
      if (answer._tag === "Died") return answer
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
    return undefined
  }
)

export const make = Effect.fnUntraced(function*({ start }: Options) {
  const one = Semaphore.makeUnsafe(1)
  const thread = makeThread(start)
  let isGivenUp = false
  yield* Effect.addFinalizer(() => Effect.promise(thread.terminate))

  const giveUp = (cause: unknown) => {
    isGivenUp = true
    return Effect.logWarning(
      "merging goes on in the thread of the process, since its worker thread does not run; " +
        "a program that is bundled needs the bundle of tidemark/worker, as the option mergeWorker says",
      cause
    )
  }

  const run: Merger["run"] = Effect.fnUntraced(function*(task, begin) {
    if (isGivenUp) return yield* inProcess.run(task, begin)
    let cause: unknown
    for (let workers = 0; workers < maxWorkers; workers++) {
      const end = yield* inWorker(thread, task, begin())
      if (end === undefined) return
      yield* Metric.update(Metrics.mergeWorkerDeaths, 1)
      cause = end.cause
    }
    yield* giveUp(cause)
    yield* inProcess.run(task, begin)
  })

  const merger: Merger = {
    // A job that is interrupted leaves a worker whose next answer no job waits for.
    run: (task, begin) => one.withPermit(Effect.onInterrupt(run(task, begin), () => Effect.promise(thread.terminate)))
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

const settings: WorkerOptions = { execArgv: [] }

/** The file as Electron leaves it outside of its archive, where the build has unpacked it: threads cannot be sure of archives. */
const unpacked = (url: string): URL | undefined => {
  const file = new URL("./MergeWorker.js", url.replace(/\.asar\//, ".asar.unpacked/"))
  return url.includes(".asar/") && existsSync(file) ? file : undefined
}

/**
 * Starts the worker whose module lies beside this one. It throws if modules have no URL, as in a CommonJS bundle.
 * Bundlers recognise the last form, and include the worker.
 */
const beside = (): Worker => {
  const { url } = import.meta as { readonly url?: string }
  if (url === undefined) {
    throw new Error("a CommonJS bundle has no address, beside which the worker would be looked for")
  }
  const outside = unpacked(url)
  if (outside !== undefined) return new Worker(outside, settings)
  return url.endsWith("/WorkerMerger.ts")
    ? new Worker(new URL(url.replace(/WorkerMerger\.ts$/, "MergeWorker.ts")), settings)
    : new Worker(new URL("./MergeWorker.js", import.meta.url), settings)
}

/**
 * Runs the merges of a client that is built with this layer in a worker thread, from the given file or the module
 * beside this one.
 */
export const layer = (file?: string | URL): Layer.Layer<never> =>
  Layer.effect(Merger, make({ start: file === undefined ? beside : () => new Worker(file, settings) }))
