/**
 * The store as a whole: its collections by their sizes, what holds history, who subscribes, and what is made of what.
 */
import * as Api from "./Api.ts"
import * as Bytes from "./Bytes.ts"
import { Failure } from "./Failure.tsx"
import { Graph } from "./Graph.tsx"
import { useLoading } from "./Loading.ts"
import * as Place from "./Place.ts"
import * as Times from "./Times.ts"

/** More are not shown: those that are the smallest. */
const most = 100

export const Overview = ({ onChoose, refresh }: {
  readonly refresh: number
  readonly onChoose: (name: string) => void
}) => {
  const { error, value } = useLoading("store", `${refresh}`, Api.store)
  if (value === undefined) return <Failure error={error} />
  const collections = value.collections.toSorted((a, b) => b.bytes - a.bytes)
  const total = collections.reduce((sum, { bytes }) => sum + bytes, 0)
  return (
    <main class="size">
      <h1>Choose a collection</h1>
      <p role="status">
        <strong>{Bytes.format(total)}</strong> in {collections.length.toLocaleString("en")} collections;{" "}
        {value.logEntries.toLocaleString("en")} entries of the log are read when the store is opened.
      </p>
      <table>
        <thead>
          <tr>
            <th>Collection</th>
            <th>Bytes</th>
            <th>Updates</th>
            <th>History from</th>
          </tr>
        </thead>
        <tbody>
          {collections.slice(0, most).map(({ bytes, name, rows, since }) => (
            <tr key={name}>
              <td>
                <a
                  href={Place.format(Place.of(name, true))}
                  onClick={(event) => {
                    event.preventDefault()
                    onChoose(name)
                  }}
                >
                  {name}
                </a>
              </td>
              <td>
                <meter value={bytes} max={collections[0]!.bytes || 1} /> {Bytes.format(bytes)}
              </td>
              <td>{rows.toLocaleString("en")}</td>
              <td>{Times.frontier(since)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <h2>Held</h2>
      <p>
        {value.holds.length === 0
          ? "No named hold keeps what was replaced."
          : value.holds.map(({ leaseMillis, name }) =>
            `"${name}", for ${leaseMillis / 1000} s after its last heartbeat`
          )
            .join("; ")}
      </p>
      <h2>Subscribers</h2>
      {value.subscribers.length === 0 ? <p>There are no subscribers over HTTP.</p> : (
        <ul>
          {value.subscribers.map((each, i) => (
            <li key={i}>
              {each.collection}: {Times.behind(each.delivered, each.upper)}, delivered to{" "}
              {Times.frontier(each.delivered)}
            </li>
          ))}
        </ul>
      )}
      <h2>Flows</h2>
      {value.flows.length === 0
        ? <p>No flow is registered in the process of the server.</p>
        : <Graph flows={value.flows} onChoose={onChoose} />}
    </main>
  )
}
