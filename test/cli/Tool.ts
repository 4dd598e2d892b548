// Runs the tool as a user does: in a process of its own.
import { Effect } from "effect"
import { spawn, type SpawnOptions } from "node:child_process"
import { once } from "node:events"
import fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const bin = join(import.meta.dirname, "../../src/cli/bin.ts")

export interface Ran {
  /** The exit code, or the signal that ended it. */
  readonly code: number | string
  readonly out: string
  readonly err: string
}

export interface Options extends Pick<SpawnOptions, "cwd"> {
  /** Standard input. Default: none. */
  readonly input?: string | undefined
  readonly env?: Readonly<Record<string, string>> | undefined
}

export const start = (args: ReadonlyArray<string>, options: Options = {}) => {
  const child = spawn(process.execPath, [bin, ...args], {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ["pipe", "pipe", "pipe"]
  })
  const chunks = { out: "", err: "" }
  child.stdout.setEncoding("utf8").on("data", (text) => void (chunks.out += text))
  child.stderr.setEncoding("utf8").on("data", (text) => void (chunks.err += text))
  // It may end before it has read everything.
  child.stdin.on("error", () => {})
  const ended = once(child, "close").then(([code, signal]): Ran => ({ code: code ?? signal, ...chunks }))
  return { child, chunks, ended }
}

export const run = async (args: ReadonlyArray<string>, options: Options = {}): Promise<Ran> => {
  const { child, ended } = start(args, options)
  child.stdin.end(options.input ?? "")
  return ended
}

/** The output of a run that must succeed, without the last newline. */
export const output = async (args: ReadonlyArray<string>, options: Options = {}): Promise<string> => {
  const { code, err, out } = await run(args, options)
  if (code !== 0) throw new Error(`tidemark ${args.join(" ")} ended with ${code}: ${err}`)
  return out.trimEnd()
}

export const lines = (text: string): ReadonlyArray<string> => text.split("\n").filter((line) => line !== "")

/** The JSON values of lines. */
export const values = (text: string): ReadonlyArray<unknown> => lines(text).map((line) => JSON.parse(line) as unknown)

/** A directory for one test. */
export const temporary = (): string => fs.mkdtempSync(join(tmpdir(), "tidemark-cli-"))

export const remove = (directory: string): void => fs.rmSync(directory, { recursive: true, force: true })

/** A directory that is removed with the scope. */
export const directory = Effect.acquireRelease(Effect.sync(temporary), (path) => Effect.sync(() => remove(path)))

/** Every file below a directory. */
export const filesOf = (root: string): ReadonlyArray<string> =>
  fs.readdirSync(root, { recursive: true, encoding: "utf8" }).filter((name) => fs.statSync(join(root, name)).isFile()).toSorted()
