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
      mutants: [["looks < maxLooks", "looks <= maxLooks"]],
      why: "how many rows are compared before consolidation has to find them is a matter of time only"
    }
  ],
  "src/batch/Compare.ts": [
    {
      mutants: [["aLength < bLength", "aLength <= bLength"]],
      why: "of two equal lengths, either is the shorter one"
    }
  ],
  "src/batch/Merge.ts": [
    {
      mutants: [
        ["this.times.length > 0 || !this.copyRun(least, out, maxBytes)", "true"],
        ["this.times.length > 0", "this.times.length >= 0"]
      ],
      line: "!this.copyRun(least",
      why: "a run that is copied unchanged saves time: rows that it leaves out are gathered and put out one by one"
    },
    {
      mutants: [
        ["end === row", "true"],
        [
          "isInWindow(least, row) && (second === undefined || this.isRowBelow(columns, row, second)) && compareRows(columns, row, columns, row + 1) !== 0",
          "false"
        ],
        ["prefix !== other.prefix", "true"],
        ["prefix < other.prefix", "false"],
        ["compareRows(columns, row, other.columns, other.row) < 0", "false"],
        [
          "end + 1 < length && keyOffsets[end]! + valueOffsets[end]! + 16 * end < most && this.isAlone(least, end, second)",
          "false"
        ],
        [
          "keyOffsets[end]! + valueOffsets[end]! + 16 * end < most",
          "keyOffsets[end]! + valueOffsets[end]! + 16 * end >= most"
        ]
      ],
      why: "a run that is copied unchanged saves time: rows that it leaves out are gathered and put out one by one"
    },
    {
      mutants: [
        [
          "maxBytes - out.dataBytes - 16 * out.length + keyOffsets[row]! + valueOffsets[row]! + 16 * row",
          "maxBytes - out.dataBytes - 16 * out.length + keyOffsets[row]! + valueOffsets[row]! - 16 * row"
        ],
        [
          "maxBytes - out.dataBytes - 16 * out.length + keyOffsets[row]! + valueOffsets[row]!",
          "maxBytes - out.dataBytes - 16 * out.length + keyOffsets[row]! - valueOffsets[row]!"
        ],
        [
          "maxBytes - out.dataBytes - 16 * out.length + keyOffsets[row]!",
          "maxBytes - out.dataBytes - 16 * out.length - keyOffsets[row]!"
        ]
      ],
      why:
        "a run ends earlier, and a run that is copied unchanged saves time: rows that it leaves out are gathered and put out one by one"
    },
    {
      mutants: [["prefix !== other.prefix", "false"], ["prefix !== other.prefix", "prefix === other.prefix"], [
        "prefix < other.prefix",
        "prefix <= other.prefix"
      ]],
      why: "prefixes decide what a comparison of whole rows decides, only sooner; those that are compared differ"
    },
    {
      mutants: [["a.prefix !== b.prefix", "false"], ["a.prefix < b.prefix", "a.prefix <= b.prefix"]],
      why: "prefixes decide what a comparison of whole rows decides, only sooner; those that are compared differ"
    },
    {
      mutants: [[
        "compareRows(a.columns, a.row, b.columns, b.row) < 0",
        "compareRows(a.columns, a.row, b.columns, b.row) <= 0"
      ]],
      why: "equal rows are of one group, whichever of them is first"
    },
    {
      mutants: [["this.times.length === 0", "true"]],
      why: "all rows of a group have its key and value: whichever of them is remembered"
    },
    {
      mutants: [
        ["this.times.length - 1", "this.times.length + 1"],
        ["this.times[last] === time && fits(this.diffs[last]!, diff)", "false"]
      ],
      why: "diffs of one time that are not summed when they come are summed when the group is put out"
    },
    {
      mutants: [["this.times.length > 1", "true"], ["this.times.length > 1", "this.times.length >= 1"]],
      why: "a single time is in order"
    },
    {
      mutants: [["next < times.length", "true"], ["next < times.length", "next <= times.length"]],
      line: "times[next] === time",
      why: "there is no time behind the last one, and so none that is equal"
    },
    {
      mutants: [["left === undefined", "false"]],
      why:
        "the heap has no gap: without a left child there is no right one either, and the answer is that there is none"
    },
    {
      mutants: [["columns.length - 1", "columns.length + 1"]],
      line: "Math.min(shared, sharedBytes(key",
      why: "fewer shared bytes than there are make prefixes say less, and whole rows are compared more often"
    },
    {
      mutants: [["row + 1", "row - 1"]],
      line: "Math.min(key.length, keyOffsets",
      why: "fewer shared bytes than there are make prefixes say less, and whole rows are compared more often"
    },
    {
      mutants: [["shared < most && key[shared] === keyData[start + shared]", "false"]],
      line: "while (shared < most",
      why: "fewer shared bytes than there are make prefixes say less, and whole rows are compared more often"
    },
    {
      mutants: [["row < length", "row <= length"]],
      line: "!isInWindow(cursor, row)",
      why: "behind the last row there is none in any window, and the cursor has left its block either way"
    }
  ],
  "src/batch/Consolidate.ts": [
    {
      mutants: [["end < rows.length", "true"], ["end < rows.length", "end <= rows.length"]],
      why: "the row behind the last one does not repeat it"
    },
    {
      mutants: [["i < columns.length", "i <= columns.length"], ["i === 0", "false"]],
      why: "a row before the first or behind the last has no length, and so is neither above another nor equal to it"
    }
  ],
  "src/batch/DiffSum.ts": [
    { mutants: [["this.carried === 0", "false"]], why: "a shortcut: what nothing was carried from is a safe integer" }
  ],
  "src/batch/MergeJob.ts": [
    {
      mutants: [["bytes < this.blockBytes", "bytes <= this.blockBytes"]],
      why: "a block that is full to the byte may take one row more: its size is a target"
    },
    {
      mutants: [["this.writer.bytes >= this.task.partBytes", "this.writer.bytes > this.task.partBytes"]],
      why: "a file that is full to the byte may take one block more: its size is a target"
    },
    {
      mutants: [["loose.length === 1", "false"], ["this.task.inputs.length === 1", "false"]],
      why: "a shortcut: a copy of one piece has its rows, and a merge of one input gives the rows of that input"
    }
  ],
  "src/engine/Evolution.ts": [
    { mutants: [["document === stored.document", "false"]], why: "a shortcut: equal documents have no differences" }
  ],
  "src/engine/PackedWrite.ts": [
    {
      mutants: [
        ["bytes < leastBytes", "bytes <= leastBytes"],
        ["bytes > mostBytes", "bytes >= mostBytes"],
        ["bytes < leastRowBytes * columns.length", "bytes <= leastRowBytes * columns.length"],
        ["frame.length <= worthwhile * block.length", "frame.length < worthwhile * block.length"]
      ],
      why: "at the limit itself compressing and not compressing are as good as each other, and both are read"
    },
    {
      mutants: [["length > 2 * mostBytes", "length >= 2 * mostBytes"]],
      why: "nothing that is written comes near the limit; it only bounds what damaged bytes may allocate"
    }
  ],
  "src/engine/RecentWrites.ts": [
    {
      mutants: [["this.newer.size >= generationKeys", "this.newer.size > generationKeys"]],
      why: "a generation may have one key more: the limit is one of memory"
    }
  ],
  "src/engine/Stage.ts": [
    {
      mutants: [["size >= ownChunkBytes", "size > ownChunkBytes"]],
      why: "whether rows of just this size share a chunk is a matter of time only"
    },
    {
      mutants: [["i < rows.length", "i <= rows.length"]],
      why: "there is no time behind the last one, and so none below the seal"
    }
  ],
  "src/engine/Transaction.ts": [
    {
      mutants: [["chunks[i]!.maxTime > time", "true"], ["chunks[i]!.maxTime > time", "chunks[i]!.maxTime >= time"]],
      why: "a shortcut: older chunks have no row after the time, which is looked at for each row, too"
    },
    {
      mutants: [["row < columns.length", "row <= columns.length"]],
      line: "for (let row = 0; row < columns.length; row++) {",
      why: "there is no time behind the last one, and so none after the time"
    },
    {
      mutants: [
        ["traceUpper <= time + 1 && spills.length === 0", "false"],
        ["traceUpper <= time + 1", "traceUpper < time + 1"],
        ["time + 1", "time - 1"]
      ],
      why: "a shortcut: a trace that ends before the time has no part with a time after it"
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
