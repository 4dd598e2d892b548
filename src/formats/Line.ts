/**
 * Lines of JSON.
 *
 * @internal
 */
import type { Stream } from "effect"
import * as ExactJson from "../ExactJson.ts"
import { InvalidInput } from "../PersistError.ts"
import { maxBytes, split } from "./Split.ts"

const newline = 0x0a

/** The lines of an input, in batches as the input brings them. */
export const lines = <E, R>(format: string, bytes: Stream.Stream<Uint8Array, E, R>) =>
  split(bytes, newline, (line) =>
    new InvalidInput({
      format,
      place: `line ${line}`,
      reason: "Malformed",
      detail: `it is longer than ${maxBytes} bytes`
    }))

const decoder = new TextDecoder("utf-8", { fatal: true })

/** The content of a line: nothing, JSON, or an error. In the JSON, numbers that would be rounded are `Inexact`. */
export const read = (
  line: Uint8Array
): undefined | ReturnType<typeof ExactJson.parse> | { readonly detail: string } => {
  let text: string
  try {
    text = decoder.decode(line)
  } catch {
    return { detail: "it is not UTF-8" }
  }
  if (text.trim() === "") return undefined
  try {
    return ExactJson.parse(text)
  } catch {
    // The parser's own message quotes the text.
    return { detail: "it is not JSON" }
  }
}

/** A value as a line. */
export const write = (value: object): string => `${JSON.stringify(value)}\n`
