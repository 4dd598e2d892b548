/**
 * The fields of a layout as columns of their own: what they are called, in every format that has columns.
 *
 * @internal
 */
import * as Layout from "../Layout.ts"

/** The part of a tuple, by its number. */
export const partName = (index: number): string => `_${index + 1}`

/** The column of what the columns of fields do not hold exactly. */
export const jsonName = (side: "key" | "value"): string => `${side}_json`

/** Whether others can tell these names apart, and formats have them. */
export const areNames = (names: ReadonlyArray<string>): boolean =>
  new Set(names.map((name) => name.toLowerCase())).size === names.length &&
  names.every((name) => /^[^.\0]+$/.test(name) && name.isWellFormed() && Layout.isFieldName(name))
