/**
 * Evolution: whether a collection may be opened with these codecs, and what it then has to remember.
 *
 * @internal
 */
import { fingerprintOf } from "../Codec.ts"
import * as Layout from "../Layout.ts"
import { CodecMismatch, SchemaMismatch } from "../PersistError.ts"
import type { CodecRef, Evolve, Registration } from "./Commit.ts"
import * as SchemaDiff from "./SchemaDiff.ts"

/** Which changes of a schema are taken: additive ones, or any, by the decision of whoever opens the collection. */
export type SchemaChange = "additive" | "any"

/** The codecs that somebody opens a collection with. */
export interface Requested {
  readonly key: CodecRef
  readonly value: CodecRef
  readonly schemaChange: SchemaChange
}

export type Mismatch = CodecMismatch | SchemaMismatch

/**
 * Why the collection cannot be opened like this, or the change that it takes, or `undefined` where it is opened as it
 * is. The key is checked first. A codec without a document asks for no change of it.
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
    // Rows are found by the bytes of their keys, so that no change of theirs can be told to be harmless.
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

/** Codecs that open collections of another name, too: those that were registered before there was the new one. */
const earlierNames: ReadonlyMap<string, string> = new Map([["schema/2", "schema"]])

/** A collection keeps the layout that it was created with, or that it has none. */
const evolvedDocument = (stored: string, requested: string): string =>
  requested === "" ? stored : Layout.kept(requested, stored)
