/**
 * The objects of one bucket, in memory, with the meaning that S3 gives to conditions: what a request does, and what it is
 * answered. One request is one step, so that every read sees every write before it.
 */
import { createHash } from "node:crypto"

export interface Stored {
  readonly bytes: Buffer
  /** With its quotes. */
  readonly etag: string
}

interface Upload {
  readonly key: string
  readonly parts: Map<number, Stored>
}

/** What a write demands of the object that is there. */
export interface Condition {
  readonly ifMatch?: string | undefined
  readonly ifNoneMatch?: string | undefined
}

/** A refusal, by S3's own name for it. */
export class Refused {
  readonly status: number
  readonly code: string
  constructor(status: number, code: string) {
    this.status = status
    this.code = code
  }
}

export interface Listing {
  readonly contents: ReadonlyArray<{ readonly key: string; readonly size: number; readonly etag: string }>
  /** The last key of a page that is not the last. */
  readonly next: string | undefined
}

export interface Objects {
  readonly objects: Map<string, Stored>
  readonly uploads: Map<string, Upload>
  readonly put: (key: string, bytes: Buffer, condition: Condition) => Stored | Refused
  readonly get: (key: string, condition: Condition) => Stored | Refused
  readonly remove: (key: string, condition: Condition) => undefined | Refused
  /** A page of the keys behind `after` that begin with the prefix, in the order of their bytes. */
  readonly list: (prefix: string, after: string, size: number) => Listing
  readonly begin: (key: string) => string
  readonly part: (key: string, id: string, number: number, bytes: Buffer) => Stored | Refused
  /** Makes the object of the parts that are named, which must be in order, be there, and have these tags. */
  readonly complete: (
    key: string,
    id: string,
    parts: ReadonlyArray<readonly [number: number, etag: string]>,
    condition: Condition
  ) => Stored | Refused
  readonly abort: (key: string, id: string) => undefined | Refused
}

const md5 = (bytes: Buffer): string => createHash("md5").update(bytes).digest("hex")

const tagOf = (bytes: Buffer): string => `"${md5(bytes)}"`

/** The tag of an object that came in parts says how many there were. */
const tagOfParts = (parts: ReadonlyArray<Stored>): string =>
  `"${md5(Buffer.concat(parts.map(({ etag }) => Buffer.from(etag.slice(1, -1), "hex"))))}-${parts.length}"`

const noSuchKey = new Refused(404, "NoSuchKey")
const noSuchUpload = new Refused(404, "NoSuchUpload")
const preconditionFailed = new Refused(412, "PreconditionFailed")

const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b))

export const make = (): Objects => {
  const objects = new Map<string, Stored>()
  const uploads = new Map<string, Upload>()
  let begun = 0

  /** Why a write may not be made. */
  const refusal = (key: string, { ifMatch, ifNoneMatch }: Condition): Refused | undefined => {
    const there = objects.get(key)
    if (ifNoneMatch !== undefined && there !== undefined && matches(there, ifNoneMatch)) return preconditionFailed
    if (ifMatch === undefined) return undefined
    if (there === undefined) return noSuchKey
    return matches(there, ifMatch) ? undefined : preconditionFailed
  }

  const store = (key: string, stored: Stored, condition: Condition): Stored | Refused => {
    const refused = refusal(key, condition)
    if (refused === undefined) objects.set(key, stored)
    return refused ?? stored
  }

  const uploadOf = (key: string, id: string): Upload | undefined => {
    const upload = uploads.get(id)
    return upload?.key === key ? upload : undefined
  }

  return {
    objects,
    uploads,
    put: (key, bytes, condition) => store(key, { bytes, etag: tagOf(bytes) }, condition),
    get: (key, { ifMatch, ifNoneMatch }) => {
      const there = objects.get(key)
      if (there === undefined) return noSuchKey
      if (ifMatch !== undefined && !matches(there, ifMatch)) return preconditionFailed
      return ifNoneMatch !== undefined && matches(there, ifNoneMatch) ? new Refused(304, "NotModified") : there
    },
    remove: (key, condition) => {
      const refused = refusal(key, condition)
      if (refused === undefined) objects.delete(key)
      return refused
    },
    list: (prefix, after, size) => {
      const keys = [...objects.keys()].filter((key) => key.startsWith(prefix) && byBytes(key, after) > 0)
        .toSorted(byBytes)
      const contents = keys.slice(0, size).map((key) => {
        const { bytes, etag } = objects.get(key)!
        return { key, size: bytes.length, etag }
      })
      return { contents, next: keys.length > size ? contents.at(-1)?.key : undefined }
    },
    begin: (key) => {
      const id = `upload-${++begun}`
      uploads.set(id, { key, parts: new Map() })
      return id
    },
    part: (key, id, number, bytes) => {
      const stored = { bytes, etag: tagOf(bytes) }
      return uploadOf(key, id)?.parts.set(number, stored) === undefined ? noSuchUpload : stored
    },
    complete: (key, id, named, condition) => {
      const upload = uploadOf(key, id)
      if (upload === undefined) return noSuchUpload
      if (named.length === 0) return new Refused(400, "MalformedXML")
      if (named.some(([number], i) => i > 0 && number <= named[i - 1]![0])) return new Refused(400, "InvalidPartOrder")
      const parts = named.map(([number, etag]) => {
        const part = upload.parts.get(number)
        return part?.etag === etag ? part : undefined
      }).filter((part) => part !== undefined)
      if (parts.length < named.length) return new Refused(400, "InvalidPart")
      const bytes = Buffer.concat(parts.map((part) => part.bytes))
      const stored = store(key, { bytes, etag: tagOfParts(parts) }, condition)
      if (!(stored instanceof Refused)) uploads.delete(id)
      return stored
    },
    abort: (key, id) => uploadOf(key, id) === undefined ? noSuchUpload : void uploads.delete(id)
  }
}

/** A tag, several of them, or a star for whatever there is. */
const matches = ({ etag }: Stored, wanted: string): boolean =>
  wanted === "*" || wanted.split(",").some((each) => each.trim().replaceAll("\"", "") === etag.replaceAll("\"", ""))
