/**
 * Evolution: whether a collection may be opened with these codecs, and which documents it then stores.
 *
 * @internal
 */
import { fingerprintOf } from "../Codec.ts"
import * as Layout from "../Layout.ts"
import { CodecMismatch, SchemaMismatch } from "../PersistError.ts"
import type { CodecRef, Evolve, Registration } from "./Commit.ts"
import * as SchemaDiff from "./SchemaDiff.ts"

/** Which changes of a schema are accepted: additive ones, or any. The caller that opens the collection decides. */
export type SchemaChange = "additive" | "any"

/** The codecs that a collection is opened with. */
export interface Requested {
  readonly key: CodecRef
  readonly value: CodecRef
  readonly schemaChange: SchemaChange
}

export type Mismatch = CodecMismatch | SchemaMismatch

/**
 * The reason why the collection cannot be opened with these codecs, or the change that has to be committed, or
 * `undefined` where neither applies. The key is checked first. A codec without a document leaves the stored one as it
 * is.
 */
export const of = (registration: Registration, requested: Requested): Mismatch | Evolve | undefined => {
  let isNew = false
  for (const part of ["key", "value"] as const) {
    const stored = registration[part]
    const { document, name } = requested[part]
    if (name !== stored.name && earlierNames.get(name) !== stored.name) {
      return new CodecMismatch({ collection: registration.name, part, requested: name, stored: stored.name })
    }
    if (document === "" || document === stored.document) continue
    if (stored.document === "") {
      isNew = true
      continue
    }
    const differences = SchemaDiff.diff(stored.document, document)
    // Rows are found by the bytes of their keys, so that no change of the key's schema is known to be safe.
    const refused = differences.filter(({ isBreaking }) => isBreaking || part === "key")
    if (refused.length > 0 && requested.schemaChange === "additive") {
      return new SchemaMismatch({
        collection: registration.name,
        part,
        stored: fingerprintOf(stored.document),
        requested: fingerprintOf(document),
        changes: refused.map(SchemaDiff.format)
      })
    }
    if (differences.length > 0) isNew = true
  }
  if (!isNew) return undefined
  return {
    _tag: "Evolve",
    collection: registration.id,
    key: requested.key.document || registration.key.document,
    value: evolvedDocument(registration.value.document, requested.value.document)
  }
}

/** Codecs that also open collections registered under an older codec's name. */
const earlierNames: ReadonlyMap<string, string> = new Map([["schema/2", "schema"]])

/** A collection keeps the layout that it was created with, and gets none later. */
const evolvedDocument = (stored: string, requested: string): string =>
  requested === "" ? stored : Layout.kept(requested, stored)
