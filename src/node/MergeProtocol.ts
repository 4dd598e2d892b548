/**
 * What a runtime and its merge worker say to each other: one question, one answer, in turn.
 *
 * @internal
 */
import type { Columns } from "../batch/Columns.ts"
import type { Piece, Step, Task } from "../batch/MergeJob.ts"
import { Corrupt, UnsupportedFormat, ValueOutOfRange } from "../PersistError.ts"

export type Question =
  | { readonly _tag: "Start"; readonly task: Task }
  | { readonly _tag: "Feed"; readonly input: number; readonly piece: Piece | undefined }
  | { readonly _tag: "Continue" }

type Fields<A extends abstract new(fields: any) => unknown> = ConstructorParameters<A>[0]

export type Answer = Step | {
  readonly _tag: "Failed"
  readonly error:
    | { readonly _tag: "Corrupt"; readonly fields: Fields<typeof Corrupt> }
    | { readonly _tag: "UnsupportedFormat"; readonly fields: Fields<typeof UnsupportedFormat> }
    | { readonly _tag: "ValueOutOfRange"; readonly fields: Fields<typeof ValueOutOfRange> }
    | { readonly _tag: "Defect"; readonly message: string }
}

/** A piece that shares no memory with anything else, so that it can be handed over instead of being copied again. */
export const detached = (piece: Piece): { readonly piece: Piece; readonly transfer: Array<ArrayBuffer> } => {
  if (piece._tag === "Stored") {
    const bytes = piece.bytes.slice()
    return { piece: { ...piece, bytes }, transfer: buffersOf([bytes]) }
  }
  const { keyData, valueData, ...rest } = piece.columns
  const columns: Columns = {
    length: rest.length,
    keyData: keyData.slice(),
    keyOffsets: rest.keyOffsets.slice(),
    valueData: valueData.slice(),
    valueOffsets: rest.valueOffsets.slice(),
    times: rest.times.slice(),
    diffs: rest.diffs.slice()
  }
  const { diffs, keyOffsets, times, valueOffsets } = columns
  return {
    piece: { _tag: "Rows", columns },
    transfer: buffersOf([columns.keyData, keyOffsets, columns.valueData, valueOffsets, times, diffs])
  }
}

export const buffersOf = (views: ReadonlyArray<ArrayBufferView>): Array<ArrayBuffer> =>
  views.map((view) => view.buffer as ArrayBuffer)
