/**
 * Sees to it that nothing that a test has started outlives the tests, however they end: by their last line, by Ctrl-C, or
 * killed.
 */
import { spawn } from "node:child_process"
import type { Socket } from "node:net"

/**
 * Runs a shell script, whose `$1`, `$2`, ... are the arguments, once this process is gone. The function that it gives calls
 * that off.
 *
 * The shell waits for the end of a pipe, which closes with this process; and it has a session of its own, so that no signal
 * of a terminal reaches it.
 */
export const afterwards = (script: string, ...args: ReadonlyArray<string>): () => void => {
  const guard = spawn("sh", ["-c", `cat > /dev/null; ${script}`, "guard", ...args], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true
  })
  const pipe = guard.stdin as Socket
  pipe.on("error", () => {})
  guard.on("error", () => {})
  guard.unref()
  pipe.unref()
  return () => {
    guard.kill("SIGKILL")
    pipe.destroy()
  }
}
