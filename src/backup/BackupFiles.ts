/**
 * The blobs of a backup, by their names and bytes.
 *
 * All are under `backup/`, where no garbage collection looks. Those of the store keep their names behind it. A _section_
 * holds consecutive entries of the log. A _point_ says that everything which the store needs at one position is there; it
 * is put last.
 *
 * An _origin_ is a blob without bytes that the store and its place have alike. Neither a copy nor a restored store has
 * it, so that histories which have parted are not mixed.
 *
 * @internal
 */
import { Effect, Random, Stream } from "effect"
import { ByteReader } from "../ByteReader.ts"
import { ByteWriter } from "../ByteWriter.ts"
import { Corrupt, type StorageError, UnsupportedFormat } from "../PersistError.ts"
import * as Platform from "../Platform.ts"
import { decode } from "../Pure.ts"
import type { Blob } from "../storage/Blob.ts"
import type { Entry } from "../storage/Log.ts"

/** Entries of the log at the positions in [from, to). */
export interface Section {
  readonly key: string
  readonly from: number
  readonly to: number
}

export interface Point {
  /** The store is the fold of the entries before it. */
  readonly position: number
  /** The entries from it on are in sections; what was before them is in a rollup. */
  readonly logFrom: number
  readonly seqNo: number
  /** Milliseconds since 1970, by the clock of the process that made the backup. */
  readonly takenAt: number
}

/** What a place holds. */
export interface Index {
  readonly sections: ReadonlyArray<Section>
  /** The positions of the points. */
  readonly points: ReadonlyArray<number>
  /** The names of the stores whose backups these are: one, or none where there are no backups. */
  readonly origins: ReadonlyArray<string>
  /** Bytes of the blobs of stores, by the names that they had there. */
  readonly blobs: ReadonlyMap<string, number>
  /** The marks of processes that prune, each with the milliseconds since 1970 when it began. */
  readonly marks: ReadonlyArray<{ readonly key: string; readonly startedAt: number }>
}

const folder = "backup/"
const originFolder = "origin/"

const digits = (position: number): string => position.toString().padStart(16, "0")

/** The name of a blob of the store in the backup. */
export const blobKey = (key: string): string => `${folder}${key}`

export const sectionKey = (from: number, to: number): string => `${folder}log/${digits(from)}-${digits(to)}`

export const pointKey = (position: number): string => `${folder}point/${digits(position)}`

export const originKey = (origin: string): string => `${folder}${storeOriginKey(origin)}`

/** The same, in the store. */
export const storeOriginKey = (origin: string): string => `${originFolder}${origin}`

/** A name that no other process draws. */
export const newId: Effect.Effect<string> = Effect.map(
  Random.nextIntBetween(0, Number.MAX_SAFE_INTEGER),
  (drawn) => drawn.toString(16).padStart(14, "0")
)

/** The mark of a process that prunes. */
export const newMark = (startedAt: number): Effect.Effect<string> =>
  Effect.map(newId, (id) => `${folder}pruning/${digits(startedAt)}-${id}`)

/** The origins of a store. */
export const origins = (store: Blob["Service"]): Effect.Effect<ReadonlyArray<string>, StorageError> =>
  Effect.map(
    Stream.runCollect(store.list(originFolder)),
    (infos) => infos.map(({ key }) => key.slice(originFolder.length))
  )

const pattern =
  /^backup\/(?:origin\/(?<origin>[0-9a-f]+)|log\/(?<from>\d{16})-(?<to>\d{16})|point\/(?<position>\d{16})|pruning\/(?<startedAt>\d{16})-[0-9a-f]+|(?<blob>(?:batch|rollup)\/.+))$/

/** What is there, in the order of positions. */
export const list = (blob: Blob["Service"]): Effect.Effect<Index, StorageError> =>
  Effect.map(Stream.runCollect(blob.list(folder)), (infos) => {
    const sections: Array<Section> = []
    const points: Array<number> = []
    const origins: Array<string> = []
    const blobs = new Map<string, number>()
    const marks: Array<Index["marks"][number]> = []
    for (const { bytes, key } of infos) {
      const found = pattern.exec(key)?.groups
      if (found === undefined) continue
      if (found["origin"] !== undefined) origins.push(found["origin"])
      else if (found["blob"] !== undefined) blobs.set(found["blob"], bytes)
      else if (found["startedAt"] !== undefined) marks.push({ key, startedAt: Number(found["startedAt"]) })
      else if (found["position"] !== undefined) points.push(Number(found["position"]))
      else sections.push({ key, from: Number(found["from"]), to: Number(found["to"]) })
    }
    return {
      origins,
      sections: sections.toSorted((a, b) => a.from - b.from || b.to - a.to),
      points: points.toSorted((a, b) => a - b),
      blobs,
      marks
    }
  })

const version = 1

/** Magic, version, checksum. */
const headerBytes = 16

const magics = { section: "TDMKSECT", point: "TDMKPOIN" } as const

const encode = (kind: keyof typeof magics, write: (writer: ByteWriter) => void): Uint8Array => {
  const writer = new ByteWriter(1024)
  writer.utf8(magics[kind])
  writer.u32(version)
  writer.u32(0)
  write(writer)
  const bytes = writer.view8()
  writer.patchU32(12, checksumOf(bytes))
  return writer.finish()
}

const checksumOf = (bytes: Uint8Array): number =>
  Platform.crc32(bytes.subarray(headerBytes), Platform.crc32(bytes.subarray(0, 12)))

/** Throws `Corrupt` or `UnsupportedFormat`. */
const open = (kind: keyof typeof magics, bytes: Uint8Array, location: string): ByteReader => {
  const reader = new ByteReader(bytes, location)
  if (new TextDecoder().decode(reader.raw(8)) !== magics[kind]) reader.fail(`this is no ${kind} of a backup`)
  const found = reader.u32()
  const checksum = reader.u32()
  if (checksum !== checksumOf(bytes)) reader.fail("its checksum does not match")
  if (found !== version) throw new UnsupportedFormat({ location, found, supported: version })
  return reader
}

/** Entries at consecutive positions, at least one. */
export const encodeSection = (entries: ReadonlyArray<Entry>): Uint8Array =>
  encode("section", (writer) => {
    writer.u64(entries[0]!.position)
    writer.u32(entries.length)
    for (const { bytes, epoch } of entries) {
      writer.u64(epoch)
      writer.blob(bytes)
    }
  })

/** Throws `Corrupt` or `UnsupportedFormat`. */
export const decodeSection = (bytes: Uint8Array, location: string): ReadonlyArray<Entry> => {
  const reader = open("section", bytes, location)
  const first = reader.u64()
  const entries: Array<Entry> = []
  for (let count = reader.count(12); count > 0; count--) {
    entries.push({ position: first + entries.length, epoch: reader.u64(), bytes: reader.blob() })
  }
  reader.end()
  return entries
}

export const encodePoint = (point: Point): Uint8Array =>
  encode("point", (writer) => {
    writer.u64(point.position)
    writer.u64(point.logFrom)
    writer.u64(point.seqNo)
    writer.u64(point.takenAt)
  })

/** Throws `Corrupt` or `UnsupportedFormat`. */
export const decodePoint = (bytes: Uint8Array, location: string): Point => {
  const reader = open("point", bytes, location)
  const point = { position: reader.u64(), logFrom: reader.u64(), seqNo: reader.u64(), takenAt: reader.u64() }
  reader.end()
  return point
}

/** A blob that a listing has named. */
export const read = Effect.fnUntraced(function*(blob: Blob["Service"], key: string) {
  const found = yield* blob.get(key)
  return found._tag === "Some" ? found.value : yield* new Corrupt({ location: key, offset: 0, detail: "it is missing" })
})

export const readSection = (blob: Blob["Service"], { key }: Section) =>
  Effect.flatMap(read(blob, key), (bytes) => decode(() => decodeSection(bytes, key)))

export const readPoint = (blob: Blob["Service"], position: number) => {
  const key = pointKey(position)
  return Effect.flatMap(read(blob, key), (bytes) => decode(() => decodePoint(bytes, key)))
}
