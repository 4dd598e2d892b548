/**
 * Blobs in IndexedDB: each is put in one transaction, in pieces, so that reading a range costs only the pieces that it is in.
 *
 * @internal
 */
import { Effect, Option, Stream } from "effect"
import type { Blob, Info, Range } from "../storage/Blob.ts"
import * as BlobKey from "../storage/BlobKey.ts"
import { type IndexedDb, settled } from "./IndexedDb.ts"

const pieceBytes = 256 * 1024

/** Keys that a listing reads at a time. */
const pageKeys = 1_000

/** The pieces of a blob sort behind its key, and before all others. */
const pieceOf = (key: string, piece: number): [string, number] => [key, piece]

/** Everything that begins with a prefix: keys are ASCII. */
const under = (prefix: string, after: string): IDBKeyRange =>
  IDBKeyRange.bound(after, `${prefix}\uffff`, after !== prefix)

export const make = ({ change, location, read }: IndexedDb): Blob["Service"] => ({
  location,
  put: (key, bytes) =>
    Effect.suspend(() => {
      BlobKey.check(key)
      return change("storing a blob", ["blobs", "pieces"], async (store) => {
        const blobs = store("blobs")
        if (await settled(blobs.get(key)) !== undefined) return
        const pieces = store("pieces")
        for (let at = 0; at < bytes.length; at += pieceBytes) {
          pieces.put(bytes.slice(at, at + pieceBytes), pieceOf(key, at / pieceBytes))
        }
        blobs.put(bytes.length, key)
      })
    }),
  get: (key, range) =>
    Effect.suspend(() => {
      BlobKey.check(key)
      return read("reading a blob", ["blobs", "pieces"], async (store): Promise<Option.Option<Uint8Array>> => {
        const size = (await settled(store("blobs").get(key))) as number | undefined
        if (size === undefined) return Option.none()
        const [start, end] = within(size, range)
        if (start === end) return Option.some(new Uint8Array(0))
        const first = Math.floor(start / pieceBytes)
        const last = Math.floor((end - 1) / pieceBytes)
        const wanted = IDBKeyRange.bound(pieceOf(key, first), pieceOf(key, last))
        const pieces = (await settled(store("pieces").getAll(wanted))) as ReadonlyArray<Uint8Array>
        return Option.some(joined(pieces, start - first * pieceBytes, end - start))
      })
    }),
  delete: (key) =>
    Effect.suspend(() => {
      BlobKey.check(key)
      return change("deleting a blob", ["blobs", "pieces"], async (store) => {
        store("pieces").delete(IDBKeyRange.bound(pieceOf(key, 0), pieceOf(key, Infinity)))
        await settled(store("blobs").delete(key))
      })
    }),
  list: (prefix) =>
    Stream.suspend(() => {
      BlobKey.checkPrefix(prefix)
      return Stream.paginate(prefix, (after) =>
        Effect.map(
          read("listing blobs", ["blobs"], async (store): Promise<ReadonlyArray<Info>> => {
            const range = under(prefix, after)
            const [keys, sizes] = [store("blobs").getAllKeys(range, pageKeys), store("blobs").getAll(range, pageKeys)]
            const found = (await settled(sizes)) as ReadonlyArray<number>
            return found.map((bytes, i) => ({ key: String(keys.result[i]), bytes }))
          }),
          (infos) => [infos, infos.length < pageKeys ? Option.none() : Option.some(infos.at(-1)!.key)]
        ))
    })
})

const within = (size: number, range: Range | undefined): readonly [start: number, end: number] => {
  if (range === undefined) return [0, size]
  const start = Math.min(range.offset, size)
  return [start, Math.min(start + range.length, size)]
}

const joined = (pieces: ReadonlyArray<Uint8Array>, skip: number, length: number): Uint8Array => {
  const bytes = new Uint8Array(length)
  let at = -skip
  for (const piece of pieces) {
    const [from, to] = [Math.max(0, -at), Math.min(piece.length, length - at)]
    bytes.set(piece.subarray(from, to), at + from)
    at += piece.length
  }
  return bytes
}
