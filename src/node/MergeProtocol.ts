/**
 * The messages between a runtime and its merge worker: one question, one answer, in turn.
 *
 * @internal
 */
import type { Piece, Step, Task } from "../batch/MergeJob.ts"
import type { Corrupt, UnsupportedFormat, ValueOutOfRange } from "../PersistError.ts"

export type Question =
  | { readonly _tag: "Start"; readonly task: Task }
  | { readonly _tag: "Feed"; readonly input: number; readonly piece: Piece | undefined }
  | { readonly _tag: "Continue" }

export type Answer = Step | {
  readonly _tag: "Failed"
  readonly error:
    | { readonly _tag: "Corrupt"; readonly fields: ConstructorParameters<typeof Corrupt>[0] }
    | { readonly _tag: "UnsupportedFormat"; readonly fields: ConstructorParameters<typeof UnsupportedFormat>[0] }
    | { readonly _tag: "ValueOutOfRange"; readonly fields: ConstructorParameters<typeof ValueOutOfRange>[0] }
    | { readonly _tag: "Defect"; readonly message: string }
}

/** A piece, with the buffers that can be transferred with it instead of being copied. */
export const detached = (piece: Piece): { readonly piece: Piece; readonly transfer: Array<ArrayBuffer> } => {
  if (piece._tag !== "Stored") {
    const { diffs, keyData, keyOffsets, times, valueData, valueOffsets } = piece.columns
    return { piece, transfer: buffersOf([keyData, keyOffsets, valueData, valueOffsets, times, diffs]) }
  }
  // Several blocks are read at a time, so that one is a part of a larger buffer.
  const bytes = piece.bytes.slice()
  return { piece: { ...piece, bytes }, transfer: buffersOf([bytes]) }
}

/** The buffers of the views, each once. */
export const buffersOf = (views: ReadonlyArray<ArrayBufferView>): Array<ArrayBuffer> => [
  ...new Set(views.map((view) => view.buffer as ArrayBuffer))
]
