/**
 * Standard output and standard error: results go to the first, everything else to the second.
 *
 * @internal
 */
import { Context, Effect, Stream } from "effect"
import type { Readable, Writable } from "node:stream"
import { Failure, OutputClosed } from "./Failure.ts"
import { printable, printableLines } from "./Printable.ts"

type Terminal = Writable & { readonly isTTY?: boolean | undefined }

/** The source of input and the destination of output: those of the process, unless a test replaces them. */
export const Channels = Context.Reference<{
  readonly input: Readable
  readonly output: Terminal
  readonly error: Terminal
}>("tidemark/cli/Channels", {
  defaultValue: () => ({ input: process.stdin, output: process.stdout, error: process.stderr })
})

/**
 * Waits until the stream has accepted the text, so that a slow reader slows the tool down instead of filling its
 * memory.
 */
export const write = (text: string | Uint8Array): Effect.Effect<void, OutputClosed | Failure> =>
  text.length === 0 ?
    Effect.void :
    Effect.flatMap(Channels, ({ output }) =>
      Effect.callback<void, OutputClosed | Failure>((resume) => {
        output.write(text, (error) => {
          if (!error) resume(Effect.void)
          else if ("code" in error && error.code === "EPIPE") resume(Effect.fail(new OutputClosed()))
          else resume(Effect.fail(new Failure({ message: `cannot write the output: ${error.message}` })))
        })
      }))

/** Text of one line or several. */
export const line = (text: string) => write(`${printableLines(text)}\n`)

export const json = (value: unknown) => line(JSON.stringify(value))

/** One line for each element. */
export const lines = <A, E, R>(rows: Stream.Stream<A, E, R>, format: (row: A) => string) =>
  Stream.runForEachArray(rows, (chunk) => write(chunk.map((row) => `${format(row)}\n`).join("")))

/** A message that is neither a result nor an error that ends the tool. */
export const note = (text: string): Effect.Effect<void> =>
  Effect.map(Channels, ({ error }) => void error.write(`${printableLines(text)}\n`))

/** Columns as wide as their widest cell; the first row is the header. */
export const table = (cells: ReadonlyArray<ReadonlyArray<string>>): string => {
  const rows = cells.map((row) => row.map(printable))
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  return rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column]!)).join("  ").trimEnd()).join("\n")
}

export const bytes = (count: number): string => {
  if (count < 1024) return `${count} B`
  const power = Math.min(4, Math.floor(Math.log2(count) / 10))
  return `${(count / 1024 ** power).toFixed(1)} ${["", "KiB", "MiB", "GiB", "TiB"][power]}`
}

export const count = (value: number): string => value.toLocaleString("en-US")

/** `count` and its noun, with an s unless there is one. */
export const counted = (value: number, noun: string): string => `${count(value)} ${noun}${value === 1 ? "" : "s"}`
