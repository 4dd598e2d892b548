/**
 * Rules that every log keeps, whatever it is stored in.
 *
 * @internal
 */
import { Unavailable } from "../PersistError.ts"

/** Only the end of the log can be appended to. Throws: any other position is a bug of the caller. */
export const checkAppend = (position: number, upper: number): void => {
  if (position !== upper) throw new Error(`an append at ${position}, but the log ends at ${upper}`)
}

/** The error of reading an entry that is below the log's lower. */
export const truncated = (position: number, lower: number): Unavailable =>
  new Unavailable({
    operation: "reading the log",
    detail: `entry ${position} has been truncated away; the log begins at ${lower}`
  })
