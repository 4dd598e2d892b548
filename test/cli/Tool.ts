// Runs the tool: in this process, or as a user does, in one of its own.
import { Effect } from "effect"
import { spawn, type SpawnOptions } from "node:child_process"
import { once } from "node:events"
import fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Readable, Writable } from "node:stream"
import * as Output from "../../src/cli/Output.ts"
import * as Tidemark from "../../src/cli/Tidemark.ts"

const bin = join(import.meta.dirname, "../../src/cli/bin.ts")

export interface Ran {
  /** The exit code, or the signal that ended it. */
  readonly code: number | string
  readonly out: string
  readonly err: string
}

export interface Options {
  /** Standard input. Default: none. */
  readonly input?: string | undefined
}

const collecting = () => {
  const chunks: Array<Buffer> = []
  const stream = new Writable({
    write: (chunk: Buffer, _, done) => {
      chunks.push(chunk)
      done()
    }
  })
  return { stream, bytes: () => Buffer.concat(chunks) }
}

/** Runs a command line in this process. */
export const runBytes = async (args: ReadonlyArray<string>, { input = "" }: Options = {}) => {
  const out = collecting()
  const err = collecting()
  const exit = await Effect.runPromiseExit(
    Effect.provideService(Tidemark.run(args), Output.Channels, {
      input: Readable.from([Buffer.from(input)]),
      output: out.stream,
      error: err.stream
    })
  )
  return { code: Tidemark.codeOf(exit), out: out.bytes(), err: err.bytes().toString() }
}

export const run = async (args: ReadonlyArray<string>, options: Options = {}): Promise<Ran> => {
  const ran = await runBytes(args, options)
  return { ...ran, out: ran.out.toString() }
}

/** Starts the tool in a process of its own. */
export const start = (
  args: ReadonlyArray<string>,
  options: Pick<SpawnOptions, "cwd"> & { readonly env?: Readonly<Record<string, string>> } = {}
) => {
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

/** Runs a command line in a process of its own, without input. */
export const runAlone = (args: ReadonlyArray<string>, options: Parameters<typeof start>[1] = {}): Promise<Ran> => {
  const { child, ended } = start(args, options)
  child.stdin.end()
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

/** Every file below a directory. */
export const filesOf = (root: string): ReadonlyArray<string> =>
  fs.readdirSync(root, { recursive: true, encoding: "utf8" }).filter((name) => fs.statSync(join(root, name)).isFile())
    .toSorted()
