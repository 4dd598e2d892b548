/**
 * Automatic mutants that no test can notice, each with the reason. What is here was read and judged by a person: a mutant
 * that is merely hard to notice does not belong here, but gets its test.
 */

export interface Equivalent {
  /** The code before and after, as `npm run mutants` prints it. */
  readonly mutants: ReadonlyArray<readonly [code: string, replacement: string]>
  /** A part of the line it begins in, where the same code occurs more than once. */
  readonly line?: string
  readonly why: string
}

/** By module. */
export const equivalents: Readonly<Record<string, ReadonlyArray<Equivalent>>> = {
  "src/batch/Cancellation.ts": [
    {
      mutants: [["first < 0", "false"]],
      why: "a shortcut: a part of which no row is kept becomes an empty one either way"
    },
    {
      mutants: [["row < columns.length", "row <= columns.length"]],
      line: "for (let row = first",
      why: "the row behind the last one is not kept"
    },
    {
      mutants: [["looks < maxLooks", "looks <= maxLooks"]],
      why: "how many rows are compared before consolidation has to find them is a matter of time only"
    }
  ]
}

const oneLine = (text: string): string => text.replaceAll(/\s+/g, " ").trim()

/** Whether a mutant of this module is known to change nothing. `line` is the line of the source in which it begins. */
export const isEquivalent = (module: string, code: string, replacement: string, line: string): boolean =>
  (equivalents[module] ?? []).some((each) =>
    line.includes(each.line ?? "") &&
    each.mutants.some(([from, to]) => from === oneLine(code) && to === oneLine(replacement))
  )
