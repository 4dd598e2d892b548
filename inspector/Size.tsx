/**
 * Why a collection is as large as it is: its batches on the axis of its times, its largest keys, and what giving history
 * up would free.
 */
import { useState } from "preact/hooks"
import type { Collection, Json, Piece } from "./Api.ts"
import * as Api from "./Api.ts"
import * as Bytes from "./Bytes.ts"
import { Failure } from "./Failure.tsx"
import { useLoading } from "./Loading.ts"
import * as Times from "./Times.ts"
import { Line } from "./Value.tsx"

const places = {
  log: "in the log, not in a batch yet",
  spill: "in a batch, not sealed yet",
  trace: "in a batch"
} as const

const [width, height] = [1000, 160]

/** A piece is as wide as its times, and at least this wide. */
const leastWidth = 6

/** Rectangles whose area is bytes: one below the other where their times overlap. */
const Batches = ({ pieces }: { readonly pieces: ReadonlyArray<Piece> }) => {
  const first = Math.min(...pieces.map(({ minTime }) => minTime))
  const last = Math.max(...pieces.map(({ maxTime }) => maxTime))
  const scale = width / (last - first + 1)
  const boxes = pieces.map((piece) => {
    const wide = Math.max(leastWidth, (piece.maxTime - piece.minTime + 1) * scale)
    return { piece, wide, x: Math.min(width - wide, (piece.minTime - first) * scale), tall: piece.bytes / wide }
  })
  const most = Math.max(...boxes.map(({ tall }) => tall))
  return (
    <figure>
      <svg
        viewBox={`0 0 ${width} ${height}`}
        role="img"
        aria-label="Batches by their times; their areas are their bytes"
      >
        {boxes.map(({ piece, tall, wide, x }, i) => {
          const high = Math.max(2, tall / most * height)
          return (
            <rect key={i} class={piece.kind} x={x} width={wide} y={height - high} height={high}>
              <title>{describe(piece)}</title>
            </rect>
          )
        })}
      </svg>
      <figcaption class="quiet">
        <span>{Times.format(first)}</span> <span>{Times.format(last)}</span>
      </figcaption>
    </figure>
  )
}

const describe = ({ bytes, kind, level, maxTime, minTime, rows }: Piece): string =>
  `${Bytes.format(bytes)}, ${rows.toLocaleString("en")} updates at ${Times.format(minTime)} to ${
    Times.format(maxTime)
  }, ${places[kind]}${kind === "trace" ? ` of level ${level}` : ""}`

const day = 86_400_000

/** The times before which history may be given up: how much is kept, in words. */
const choices = ({ since, upper }: Collection): ReadonlyArray<readonly [words: string, since: number]> => {
  if (since === "empty" || upper === "empty") return []
  const last = upper - 1
  const unit = Times.perMillisecond(last)
  const spans = unit === undefined ?
    [] :
    [30, 7, 1].map((days) => [`Keeping ${days === 1 ? "a day" : `${days} days`}`, last - days * day * unit] as const)
  return [...spans, ["Keeping the last sealed time alone", last] as const].filter(([, time]) => time > since)
}

const Freeing = ({ collection }: { readonly collection: Collection }) => {
  const [asked, setAsked] = useState<number>()
  const { error, isLoading, value } = useLoading(
    `${collection.name} without`,
    `${asked}`,
    (signal) => asked === undefined ? Promise.resolve(undefined) : Api.rehearsal(collection.name, asked, signal)
  )
  const all = choices(collection)
  if (all.length === 0) return <p class="quiet">There is no history that could be given up.</p>
  return (
    <section aria-label="What would free space">
      <h2>What would free space?</h2>
      <p>
        {all.map(([words, since]) => (
          <button
            type="button"
            key={since}
            aria-pressed={asked === since}
            onClick={() => setAsked(since)}
          >
            {words}
          </button>
        ))}
      </p>
      <Failure error={error} />
      {isLoading && asked !== undefined && (
        <p class="quiet" role="status">Trying it out, without changing anything ...</p>
      )}
      {value !== undefined && (
        <p role="status">
          would free <strong>{Bytes.format(Math.max(0, value.before.bytes - value.after.bytes))}</strong> of{" "}
          {Bytes.format(value.before.bytes)}, and {Bytes.format(value.after.bytes)} are left:{" "}
          <code>{value.command}</code>
        </p>
      )}
    </section>
  )
}

export const Size = ({ collection, onKey, refresh }: {
  readonly collection: Collection
  readonly refresh: number
  readonly onKey: (key: Json) => void
}) => {
  const { error, value } = useLoading(
    `${collection.name} size`,
    `${refresh}`,
    (signal) => Api.footprint(collection.name, signal)
  )
  if (value === undefined) {
    return error === undefined ? <p class="quiet" role="status">Looking ...</p> : <Failure error={error} />
  }
  const { bytes, keys, pieces, rows, seenBytes } = value
  if (pieces.length === 0) return <p class="empty">Nothing is stored of it.</p>
  const largest = keys[0]?.bytes ?? 1
  return (
    <div class="size">
      <p role="status">
        <strong>{Bytes.format(bytes)}</strong> in {rows.toLocaleString("en")} stored updates. History is kept from{" "}
        {Times.frontier(collection.since)} on.
      </p>
      <Batches pieces={pieces} />
      <h2>The largest keys</h2>
      {seenBytes < bytes * 0.99 && (
        <p class="quiet">
          Looked for in {Bytes.format(seenBytes)} of it, evenly; keys of many updates are always found.
        </p>
      )}
      <table>
        <thead>
          <tr>
            <th>Key</th>
            <th>Bytes</th>
            <th>Updates</th>
            <th>Last changed</th>
          </tr>
        </thead>
        <tbody>
          {keys.map((each) => (
            <tr key={JSON.stringify(each.key)}>
              <td>
                <button type="button" class="link" onClick={() => onKey(each.key)}>
                  <Line value={each.key} />
                </button>
              </td>
              <td>
                <meter value={each.bytes} max={largest} /> {Bytes.format(each.bytes)}
              </td>
              <td>{each.updates.toLocaleString("en")}</td>
              <td>{Times.format(each.lastChanged)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <Freeing collection={collection} />
    </div>
  )
}
