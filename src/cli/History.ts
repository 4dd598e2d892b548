/**
 * Git histories as git prints them: which paths each commit changed, and the trees to check against.
 *
 * All output is read with `-z`, so that any path is read as its bytes.
 *
 * @internal
 */
import { type Scope, Stream } from "effect"
import { Buffer } from "node:buffer"
import { maxBytes, split } from "../formats/Split.ts"
import * as Platform from "../Platform.ts"
import { Failure } from "./Failure.ts"

/** A path whose content changed; undefined where it was, or is, absent. */
export interface Change {
  readonly path: string
  readonly before: string | undefined
  readonly after: string | undefined
}

export interface Commit {
  readonly id: string
  readonly subject: string
  /** Against its first parent. */
  readonly changes: ReadonlyArray<Change>
}

export interface History {
  /** The source of the history, for messages. */
  readonly name: string
  /** The ids of the first-parent history, the oldest first. */
  readonly ids: ReadonlyArray<string>
  /** The commits behind the first `count`. */
  readonly after: (count: number) => Stream.Stream<Commit, Failure, Scope.Scope>
  /** Which commits, counted from 1, can be checked: all if absent. */
  readonly listed?: ReadonlyArray<number> | undefined
  /** Every path and its content as of a commit, counted from 1. */
  readonly tree: (commit: number) => Stream.Stream<readonly [path: string, content: string], Failure, Scope.Scope>
}

const nul = 0x00

/** The output of git, split at a separator. */
export const pieces = <E, R>(bytes: Stream.Stream<Uint8Array, E, R>, separator: number) =>
  split(bytes, separator, () => new Failure({ message: `git prints something of more than ${maxBytes} bytes` }))

/** A text for any path. Paths that are not UTF-8 are quoted as git quotes them, and so are those that look quoted. */
export const pathOf = (bytes: Uint8Array): string => {
  const text = Platform.readUtf8(bytes, 0, bytes.length)
  return text === undefined || text.startsWith(`"`) ? quote(bytes) : text
}

const quote = (bytes: Uint8Array): string => {
  const escaped = Array.from(bytes, (byte) => {
    if (byte === 0x22 || byte === 0x5c) return `\\${String.fromCharCode(byte)}`
    return byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : `\\${byte.toString(8).padStart(3, "0")}`
  })
  return `"${escaped.join("")}"`
}

const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("utf8")

/** The fields of `git log --raw -z --format="%H %s"`: a header, then for each path what changed and the path itself. */
export const parseLog = <E, R>(bytes: Stream.Stream<Uint8Array, E, R>): Stream.Stream<Commit, E | Failure, R> =>
  Stream.suspend(() => {
    let open: { readonly id: string; readonly subject: string; readonly changes: Array<Change> } | undefined
    let change: Omit<Change, "path"> | undefined

    const take = (field: Uint8Array, ended: Array<Commit>): void => {
      if (change !== undefined) {
        open!.changes.push({ path: pathOf(field), ...change })
        change = undefined
        return
      }
      const text = textOf(field).replace(/^\n/, "")
      if (text.startsWith(":")) {
        const [beforeMode, afterMode, before, after] = text.slice(1).split(" ")
        change = { before: contentOf(beforeMode!, before!), after: contentOf(afterMode!, after!) }
      } else if (text !== "") {
        if (open !== undefined) ended.push(open)
        const space = text.indexOf(" ")
        open = { id: text.slice(0, space), subject: text.slice(space + 1), changes: [] }
      }
    }
    return pieces(bytes, nul).pipe(
      Stream.map((fields) => {
        const ended: Array<Commit> = []
        for (const field of fields) take(field, ended)
        return ended
      }),
      Stream.concat(Stream.suspend(() => Stream.succeed(open === undefined ? [] : [open]))),
      Stream.flatMap(Stream.fromArray)
    )
  })

const contentOf = (mode: string, blob: string): string | undefined => mode === "000000" ? undefined : `${mode}:${blob}`

/** The entries of `git ls-tree -r -z`: mode, type and blob, a tab, and the path. */
export const parseTree = <E, R>(bytes: Stream.Stream<Uint8Array, E, R>) =>
  pieces(bytes, nul).pipe(
    Stream.flatMap((entries) =>
      Stream.fromArray(entries.map((entry): readonly [string, string] => {
        const tab = entry.indexOf(0x09)
        const [mode, , blob] = textOf(entry.subarray(0, tab)).split(" ")
        return [pathOf(entry.subarray(tab + 1)), `${mode}:${blob}`]
      }))
    )
  )
