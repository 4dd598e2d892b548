/**
 * A merge job: inputs in, finished batch files out.
 *
 * Like the merge that it drives, it is a state machine without I/O, so that it can run in a worker thread. Inputs are
 * stored blocks, or rows from memory that are neither sorted nor consolidated. It outputs one file at a time, as soon
 * as the file is full. Its memory is one block of each stored input, all rows of the other inputs, and one unfinished
 * file.
 *
 * @internal
 */
import { Corrupt } from "../PersistError.ts"
import * as BatchFile from "./BatchFile.ts"
import * as Checksum from "./Checksum.ts"
import * as Columns from "./Columns.ts"
import * as Consolidate from "./Consolidate.ts"
import { Merge, type Window } from "./Merge.ts"

export interface Task {
  readonly inputs: ReadonlyArray<Window>
  readonly description: BatchFile.Description
  /** Target size of a file, in bytes. */
  readonly partBytes: number
}

/**
 * The next of an input: some of its rows, in any order, or its next sorted block, decoded or as it is stored. The job
 * owns the memory of the columns.
 */
export type Piece =
  | { readonly _tag: "Rows"; readonly columns: Columns.Columns }
  | { readonly _tag: "Sorted"; readonly columns: Columns.Columns }
  | {
    readonly _tag: "Stored"
    readonly block: BatchFile.BlockInfo
    readonly bytes: Uint8Array
    readonly location: string
  }

/** The rows of a sorted block. Throws `Corrupt`. */
export const sorted = (piece: Exclude<Piece, { readonly _tag: "Rows" }>): Columns.Columns =>
  piece._tag === "Sorted" ? piece.columns : BatchFile.readBlock(piece.block, piece.bytes, piece.location)

export type Step =
  | { readonly _tag: "Need"; readonly input: number }
  | { readonly _tag: "Part"; readonly bytes: Uint8Array; readonly meta: BatchFile.Meta }
  | { readonly _tag: "Done" }

export class MergeJob {
  private readonly task: Task
  private readonly merge: Merge
  private readonly blockBytes: number
  private readonly rows = new Columns.Builder(1024, BatchFile.targetBlockBytes, BatchFile.targetBlockBytes)
  private writer: BatchFile.Writer
  /** The rows of each input that is fed as rows, so far. */
  private readonly loose: Array<Array<Columns.Columns> | undefined> = []
  /** The sorted rows of the only input, which need no merge. */
  private direct: Columns.Columns | undefined
  private directRow = 0
  /** The multiset checksums of input and output: a merge must not change it. */
  private readonly taken = new Checksum.Accumulator()
  private given = 0n

  constructor(task: Task) {
    this.task = task
    this.merge = new Merge(task.inputs, task.description.since)
    this.blockBytes = Math.min(BatchFile.targetBlockBytes, task.partBytes)
    this.writer = new BatchFile.Writer(task.description)
  }

  /** The next of the input that `step` needed, or `undefined` at its end. */
  feed(input: number, piece: Piece | undefined): void {
    if (piece === undefined) this.end(input)
    else if (piece._tag === "Rows") (this.loose[input] ??= []).push(piece.columns)
    else {
      const { lower, upper } = this.task.inputs[input]!
      const columns = sorted(piece)
      this.taken.add(columns, lower, upper)
      this.merge.push(input, columns)
    }
  }

  private end(input: number): void {
    const loose = this.loose[input]
    if (loose === undefined) return this.merge.end(input)
    this.loose[input] = undefined
    const { lower, upper } = this.task.inputs[input]!
    const columns = loose.length === 1 ? loose[0]! : Columns.copy(loose)
    this.taken.add(columns, lower, upper)
    const isOnly = this.task.inputs.length === 1
    // A merge looks at the times that rows had, and advances them itself.
    const since = isOnly ? this.task.description.since : 0
    const consolidated = Consolidate.consolidate(columns, { since, lower, upper })
    if (isOnly) this.direct = consolidated
    else this.merge.push(input, consolidated)
  }

  /** Continues until an input is needed, a file is full, or everything is merged. */
  step(): Step {
    while (true) {
      const isDone = this.direct === undefined ? this.addMerged() : this.addDirect(this.direct)
      if (typeof isDone === "object") return isDone
      const isFull = this.writer.bytes >= this.task.partBytes
      if (isFull || (isDone && this.writer.rows > 0)) {
        const part = this.writer.finish()
        this.given = Checksum.add(this.given, part.meta.checksum)
        this.writer = new BatchFile.Writer(this.task.description)
        return { _tag: "Part", ...part }
      }
      if (isDone) return this.done()
    }
  }

  private done(): Step {
    const isConserved = this.given === this.taken.value() || this.task.description.since === Infinity
    if (isConserved) return { _tag: "Done" }
    throw new Corrupt({
      location: "a merge",
      offset: 0,
      detail: "its result has another multiset checksum than its inputs; it was not applied"
    })
  }

  /** Adds a block of merged rows. True if it was the last. */
  private addMerged(): boolean | Step {
    const step = this.merge.run(this.rows, this.blockBytes)
    if (step._tag === "Need") return step
    if (this.rows.length > 0) this.writer.add(this.rows.view())
    this.rows.clear()
    return step._tag === "Done"
  }

  /** Adds a block of rows that are sorted already. True if it was the last. */
  private addDirect(columns: Columns.Columns): boolean {
    const start = this.directRow
    let end = start
    let bytes = 0
    while (end < columns.length && bytes < this.blockBytes) {
      bytes += 16 + columns.keyOffsets[end + 1]! - columns.keyOffsets[end]! + columns.valueOffsets[end + 1]! -
        columns.valueOffsets[end]!
      end++
    }
    if (end > start) this.writer.add(Columns.slice(columns, start, end))
    this.directRow = end
    return end === columns.length
  }
}
