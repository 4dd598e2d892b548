/**
 * Rows as comma-separated values (RFC 4180, but for the line ends).
 *
 * @internal
 */
import type * as StoredJson from "../client/StoredJson.ts"
import type * as Update from "../Update.ts"
import * as Values from "./Values.ts"

/** A row of contents has no time. */
export interface Row extends Omit<Update.Update<StoredJson.Json, StoredJson.Json>, "time"> {
  readonly time?: number
}

const cell = (text: string): string => /[",\r\n]/.test(text) ? `"${text.replaceAll(`"`, `""`)}"` : text

export const header = (withTime: boolean): string => withTime ? "key,value,time,diff" : "key,value,diff"

export const line = ({ diff, key, time, value }: Row): string =>
  [Values.cell(key), Values.cell(value), ...(time === undefined ? [] : [String(time)]), String(diff)].map(cell).join(
    ","
  )
