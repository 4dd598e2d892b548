/**
 * The list of collections.
 */
import { useState } from "preact/hooks"
import type { Collection } from "./Api.ts"
import * as Times from "./Times.ts"

export const Collections = ({ all, chosen, onChoose }: {
  readonly all: ReadonlyArray<Collection>
  readonly chosen: string | undefined
  readonly onChoose: (name: string) => void
}) => {
  const [filter, setFilter] = useState("")
  const shown = all.filter(({ name }) => name.toLowerCase().includes(filter.toLowerCase()))
  return (
    <nav aria-label="Collections">
      <input
        type="search"
        placeholder={`${all.length} collections`}
        aria-label="Filter collections"
        value={filter}
        onInput={({ currentTarget }) => setFilter(currentTarget.value)}
      />
      <ul>
        {shown.slice(0, 1000).map(({ key, name, since, upper, value }) => (
          <li key={name}>
            <button type="button" aria-current={name === chosen} onClick={() => onChoose(name)}>
              <strong>{name}</strong>
              <small>{key.name} → {value.name}</small>
              <small>{Times.frontier(since)} … {Times.frontier(upper)}</small>
            </button>
          </li>
        ))}
      </ul>
      {all.length === 0 && <p class="quiet">The store has no collections yet.</p>}
    </nav>
  )
}
