/**
 * A script in a process of its own, which says lines and goes on at lines.
 */
import { Effect } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { createInterface } from "node:readline"
import * as Guard from "./Guard.ts"

export interface Child {
  readonly pid: number
  readonly process: ChildProcess
  /** What it says next. */
  readonly next: Effect.Effect<string>
  readonly tell: (line: string) => Effect.Effect<void>
  readonly kill: (signal: NodeJS.Signals) => Effect.Effect<void>
}

/** Runs until the scope closes. */
export const start = (script: string, ...args: ReadonlyArray<string>) =>
  Effect.acquireRelease(
    Effect.sync((): Child => {
      const child = spawn(process.execPath, ["--conditions=tidemark-source", script, ...args], {
        stdio: ["pipe", "pipe", "inherit"]
      })
      const callOff = Guard.afterwards(`kill -KILL "$1"`, String(child.pid))
      // Its number may be another's soon.
      child.once("exit", callOff)
      // It may have been killed.
      child.stdin.on("error", () => {})
      const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
      return {
        pid: child.pid!,
        process: child,
        next: Effect.map(Effect.promise(() => lines.next()), ({ value }) => String(value)),
        tell: (line) => Effect.sync(() => void child.stdin.write(`${line}\n`)),
        kill: (signal) => Effect.sync(() => void child.kill(signal))
      }
    }),
    ({ process }) =>
      Effect.callback<void>((resume) => {
        if (process.exitCode !== null || process.signalCode !== null) return resume(Effect.void)
        process.once("exit", () => resume(Effect.void))
        process.kill("SIGKILL")
      })
  )
