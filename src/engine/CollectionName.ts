/**
 * Names that a new collection may have. Collections that were named before these rules keep their names.
 *
 * @internal
 */

/** UTF-16 code units. */
const maxLength = 256

// C0, DEL, C1, and the two separators that end a line.
const unprintable = /[\p{Cc}\u2028\u2029]/u

/** Why no collection can be created under the name, or `undefined`. */
export const violation = (name: string): string | undefined => {
  if (name === "") return "it is empty; give the collection a name"
  if (name.length > maxLength) return `it has ${name.length} UTF-16 code units; ${maxLength} is the most`
  if (!name.isWellFormed()) return "it has half of a surrogate pair; use well-formed Unicode"
  if (unprintable.test(name)) return "it has a control character or a line separator; leave that out"
  return undefined
}
