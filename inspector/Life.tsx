/**
 * The life of a key: every version that is kept, and what changed in it.
 */
import type { Json, Update } from "./Api.ts"
import * as Api from "./Api.ts"
import { Failure } from "./Failure.tsx"
import { useLoading } from "./Loading.ts"
import * as Times from "./Times.ts"
import { Difference, Whole } from "./Value.tsx"

interface Version {
  readonly time: number
  readonly added: ReadonlyArray<Update>
  readonly removed: ReadonlyArray<Update>
}

/** The updates by their times, the latest first. */
const versions = (updates: ReadonlyArray<Update>): ReadonlyArray<Version> =>
  [...Map.groupBy(updates, ({ time }) => time)].map(([time, of]) => ({
    time,
    added: of.filter(({ diff }) => diff > 0),
    removed: of.filter(({ diff }) => diff < 0)
  })).toReversed()

const Change = ({ added, removed }: Version) => {
  if (added.length === 1 && removed.length === 1) {
    return <Difference before={removed[0]!.value} after={added[0]!.value} />
  }
  return (
    <>
      {removed.map((update, i) => (
        <div class="removed" key={`-${i}`}>
          <Whole value={update.value} />
        </div>
      ))}
      {added.map((update, i) => (
        <div class={removed.length > 0 ? "added" : ""} key={`+${i}`}>
          <Whole value={update.value} />
        </div>
      ))}
    </>
  )
}

const word = ({ added, removed }: Version): string => {
  if (removed.length === 0) return "set"
  return added.length === 0 ? "removed" : "changed"
}

export const Life = ({ json, name, onClose, onTime, refresh, shown }: {
  readonly name: string
  readonly json: Json
  readonly refresh: number
  readonly shown: number | undefined
  readonly onTime: (time: number) => void
  readonly onClose: () => void
}) => {
  const { error, isLoading, value } = useLoading(
    `${name} ${JSON.stringify(json)}`,
    `${refresh}`,
    (signal) => Api.history(name, json, signal)
  )
  const all = value === undefined ? [] : versions(value)
  return (
    <aside aria-label="The life of a key">
      <header>
        <h2>
          <code>{JSON.stringify(json)}</code>
        </h2>
        <button type="button" onClick={onClose} aria-label="Close">×</button>
      </header>
      <Failure error={error} />
      {isLoading && value === undefined && <p class="quiet">Reading its history ...</p>}
      {value !== undefined && all.length === 0 && <p class="quiet">Nothing is kept of this key.</p>}
      {all.map((version) => (
        <section key={version.time} class={shown !== undefined && version.time > shown ? "later" : ""}>
          <button
            type="button"
            class="link"
            onClick={() =>
              onTime(version.time)}
          >
            {word(version)} at {Times.format(version.time)}
          </button>
          <Change {...version} />
        </section>
      ))}
    </aside>
  )
}
