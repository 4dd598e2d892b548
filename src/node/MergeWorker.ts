/**
 * The worker thread that runs merge jobs: it answers each message with the next step of its job.
 *
 * @internal
 */
import { parentPort } from "node:worker_threads"
import { MergeJob } from "../batch/MergeJob.ts"
import { Corrupt, UnsupportedFormat, ValueOutOfRange } from "../PersistError.ts"
import { type Answer, buffersOf, type Question } from "./MergeProtocol.ts"

const port = parentPort!
let job: MergeJob | undefined

port.on("message", (question: Question) => {
  const answer = answerTo(question)
  port.postMessage(answer, answer._tag === "Part" ? buffersOf([answer.bytes]) : [])
})

const answerTo = (question: Question): Answer => {
  try {
    if (question._tag === "Start") job = new MergeJob(question.task)
    if (question._tag === "Feed") job!.feed(question.input, question.piece)
    const step = job!.step()
    // A file is built in a buffer with room to grow: only the part in use is sent.
    return step._tag === "Part" ? { ...step, bytes: step.bytes.slice() } : step
  } catch (error) {
    return { _tag: "Failed", error: describe(error) }
  }
}

/** Errors lose their class on the way: the fields that are needed to rebuild them are sent. */
const describe = (error: unknown): Extract<Answer, { readonly _tag: "Failed" }>["error"] => {
  if (error instanceof Corrupt) {
    return { _tag: "Corrupt", fields: { location: error.location, offset: error.offset, detail: error.detail } }
  }
  if (error instanceof UnsupportedFormat) {
    const { found, location, supported } = error
    return { _tag: "UnsupportedFormat", fields: { location, found, supported } }
  }
  if (error instanceof ValueOutOfRange) {
    return { _tag: "ValueOutOfRange", fields: { what: error.what, detail: error.detail } }
  }
  return { _tag: "Defect", message: String(error instanceof Error ? error.stack : error) }
}
