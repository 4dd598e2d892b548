/**
 * A collection: its contents as of a time, or what differs between two.
 */
import { useCallback } from "preact/hooks"
import type { Collection, Json, Row } from "./Api.ts"
import * as Api from "./Api.ts"
import { Failure } from "./Failure.tsx"
import * as Keys from "./Keys.ts"
import { useLoading, useRows } from "./Loading.ts"
import type { Place } from "./Place.ts"
import { Table } from "./Table.tsx"
import * as Times from "./Times.ts"
import { Line } from "./Value.tsx"

interface Props {
  readonly collection: Collection
  readonly place: Place
  readonly refresh: number
  readonly onKey: (key: Json) => void
}

const head = ["Key", "Value", "Times"]

const isKey = (key: Json | undefined) => {
  const text = JSON.stringify(key)
  return (row: Row): boolean => JSON.stringify(row.key) === text
}

const cells = ({ diff, key, value }: Row) => [<Line value={key} />, <Line value={value} />, diff === 1 ? "" : diff]

const save = (name: string, rows: ReadonlyArray<Row>): void => {
  const url = URL.createObjectURL(new Blob(rows.map((row) => `${JSON.stringify(row)}\n`)))
  const link = Object.assign(document.createElement("a"), { href: url, download: `${name}.ndjson` })
  link.click()
  URL.revokeObjectURL(url)
}

export const Contents = ({ collection, onKey, place, refresh }: Props) => {
  const keys = Keys.wanted(collection.key.name, place.search)
  const loaded = useRows(collection.name, keys ?? {}, place.asOf, refresh)
  const more = useCallback(() => loaded.more(), [loaded.more])
  if (keys === undefined) {
    return <p class="error" role="alert">Keys of this collection are JSON: "{place.search}" is none.</p>
  }
  const { asOf, error, hasMore, isLoading, rows } = loaded
  const count = `${rows.length.toLocaleString("en")}${hasMore ? " and more" : ""}`
  return (
    <>
      <p class="quiet" role="status">
        {isLoading && rows.length === 0
          ? "Reading ..."
          : asOf !== undefined && `${count} rows as of ${Times.format(asOf)} `}
        {rows.length > 0 && (
          <button type="button" class="link" onClick={() => save(collection.name, rows)}>Save these</button>
        )}
      </p>
      <Failure error={error} />
      {!isLoading && error === undefined && rows.length === 0 && (
        <p class="empty">
          {place.search === "" ? "There was nothing in it at that time." : "No key is like that at that time."}
        </p>
      )}
      {rows.length > 0 && (
        <Table
          label={`Contents of ${collection.name}`}
          head={head}
          rows={rows}
          cells={cells}
          isChosen={isKey(place.key)}
          onChoose={({ key }) => onKey(key)}
          onEnd={more}
        />
      )}
    </>
  )
}

/** A comparison shows this many rows. */
const mostChanges = 10_000

const kindOf = ({ diff }: Row): string => diff > 0 ? "added" : "removed"

const changeCells = (
  { diff, key, value }: Row
) => [<Line value={key} />, <Line value={value} />, diff > 0 ? `+${diff}` : diff]

const byKey = (a: Row, b: Row): number => {
  const [left, right] = [JSON.stringify(a.key), JSON.stringify(b.key)]
  return left < right ? -1 : left > right ? 1 : a.diff - b.diff
}

export const Comparison = ({ collection, onKey, place, refresh }: Props) => {
  const last = Times.readable(collection)?.last
  const from = place.since!
  const to = place.asOf ?? last ?? from
  const { error, isLoading, value } = useLoading(
    `${collection.name} compared`,
    JSON.stringify([from, to, refresh]),
    (signal) =>
      from === to
        ? Promise.resolve([])
        : Api.changes(collection.name, Math.min(from, to), Math.max(from, to), mostChanges, signal)
  )
  const rows = value === undefined
    ? []
    : value.map((row) => from <= to ? row : { ...row, diff: -row.diff }).toSorted(byKey)
  return (
    <>
      <p class="quiet" role="status">
        {isLoading && value === undefined ?
          "Comparing ..." :
          `${rows.length.toLocaleString("en")}${rows.length === mostChanges ? " and more" : ""} ` +
          `differences from ${Times.format(from)} to ${Times.format(to)} `}
        {rows.length > 0 && (
          <button
            type="button"
            class="link"
            onClick={() => save(`${collection.name} ${from} to ${to}`, rows)}
          >
            Save these
          </button>
        )}
      </p>
      <Failure error={error} />
      {value !== undefined && rows.length === 0 && <p class="empty">Both are the same.</p>}
      {rows.length > 0 && (
        <Table
          label="Differences"
          head={["Key", "Value", "Change"]}
          rows={rows}
          cells={changeCells}
          kind={kindOf}
          isChosen={isKey(place.key)}
          onChoose={({ key }) => onKey(key)}
        />
      )}
    </>
  )
}
