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
  ],
  "src/engine/Plan.ts": [
    {
      mutants: [["sealed.length === 0", "false"]],
      why: "where no spill is sealed, none of no rows are: that is a quarter of them"
    },
    {
      mutants: [["taken.length > 0", "true"], ["taken.length > 0", "taken.length >= 0"]],
      why:
        "some rows can collapse, or it was not called: if they are not before the first that cannot, they are behind it"
    },
    {
      mutants: [
        ["taken.length > 0 && sealed > collection.traceUpper", "true"],
        ["taken.length > 0 && sealed > collection.traceUpper", "taken.length > 0 || sealed > collection.traceUpper"],
        ["sealed > collection.traceUpper", "true"],
        ["sealed > collection.traceUpper", "sealed >= collection.traceUpper"]
      ],
      why:
        "rows in memory are at or after the upper that they were appended at, and the trace has nothing from there on"
    },
    {
      mutants: [["since <= first", "since < first"], ["collection.upper <= first", "collection.upper < first"]],
      why: "at the first time itself the share of the rows before it is 0"
    },
    {
      mutants: [["batch.since > 0", "true"], ["batch.since > 0", "batch.since >= 0"]],
      why:
        "rows that all stand at time 0 are one batch, which is consolidated: to rewrite it once or never reclaims the same"
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
