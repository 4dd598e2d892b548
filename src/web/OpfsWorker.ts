/**
 * The worker that changes the files of a page: the entry point `tidemark/web/worker`, for those who bundle it themselves.
 *
 * @internal
 */
import * as Failure from "./Failure.ts"
import * as OpfsHost from "./OpfsHost.ts"
import type { Answer, Begin, Call } from "./OpfsProtocol.ts"

/** The worker's own scope, of which the types of pages know nothing. */
const scope = globalThis as unknown as {
  readonly addEventListener: (type: "message", listen: (event: MessageEvent<Begin | Call>) => void) => void
  readonly postMessage: (answer: Answer) => void
}

let host: OpfsHost.Host | undefined

const answer = async ({ args, id, method }: Call): Promise<Answer> => {
  try {
    const call = host![method] as (...args: ReadonlyArray<unknown>) => Promise<unknown>
    return { id, _tag: "Done", value: await call(...args) }
  } catch (cause) {
    return { id, _tag: "Failed", failure: Failure.of(cause) }
  }
}

scope.addEventListener("message", ({ data }) => {
  if ("store" in data) host = OpfsHost.make(data.store)
  else void answer(data).then((each) => scope.postMessage(each))
})
