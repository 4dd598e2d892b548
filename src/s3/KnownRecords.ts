/**
 * The records of a log that an opener knows: those from an anchor on, at consecutive numbers.
 *
 * @internal
 */
import type * as Record from "./Record.ts"

export interface KnownRecords {
  /** The record that the log begins with; none where there is no log yet. */
  readonly anchor: () => Record.Anchor | undefined
  /** The headers from the anchor on, at consecutive numbers. */
  readonly headers: () => ReadonlyArray<Record.Header>
  /** The next record's number. */
  readonly next: () => number
  /** The next entry's position. */
  readonly upper: () => number
  /** Adds a record, if it is the next. */
  readonly push: (header: Record.Header) => void
  /** The log begins with this record. What is known of those behind it stays known. */
  readonly begin: (anchor: Record.Anchor) => void
  /** The anchor is gone: where the log begins has to be found again. */
  readonly lose: () => void
}

export const make = (): KnownRecords => {
  let anchor: Record.Anchor | undefined
  let headers: Array<Record.Header> = []
  const next = (): number => (headers.at(-1)?.number ?? (anchor?.number ?? 0) - 1) + 1
  return {
    anchor: () => anchor,
    headers: () => headers,
    next,
    upper: () => {
      const last = headers.at(-1)
      return last === undefined ? anchor?.position ?? 0 : last.position + last.count
    },
    push: (header) => {
      if (header.number === next()) headers.push(header)
    },
    begin: (found) => {
      const known = found.number - (headers[0]?.number ?? 0)
      headers = known >= 0 && known <= headers.length ? headers.slice(known) : []
      anchor = found
    },
    lose: () => {
      anchor = undefined
    }
  }
}
