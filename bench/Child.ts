/**
 * Measurements in processes of their own, so that one does not warm up or burden the next.
 */
import { fork } from "node:child_process"

/** Runs a script until it ends. What it has sent last is its answer; without one it has failed. */
export const answerOf = <A>(
  file: string,
  args: ReadonlyArray<string>,
  name: string,
  flags: ReadonlyArray<string> = []
): Promise<A> =>
  new Promise((resolve, reject) => {
    const running = fork(file, args, {
      execArgv: ["--conditions=tidemark-source", "--no-warnings", ...flags],
      stdio: ["ignore", "inherit", "inherit", "ipc"]
    })
    let answer: A | undefined
    running.on("message", (message) => (answer = message as A))
    running.on(
      "exit",
      (code) => answer === undefined ? reject(new Error(`${name} ended with ${code}`)) : resolve(answer)
    )
  })
