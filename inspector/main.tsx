/**
 * The inspector: collections as of any time, what changed, and the life of a key.
 */
import { render } from "preact"
import { useCallback, useEffect, useState } from "preact/hooks"
import * as Address from "./Address.ts"
import type { Collection } from "./Api.ts"
import * as Api from "./Api.ts"
import { Collections } from "./Collections.tsx"
import { Comparison, Contents } from "./Contents.tsx"
import { Failure } from "./Failure.tsx"
import * as Keys from "./Keys.ts"
import { Life } from "./Life.tsx"
import { useLoading } from "./Loading.ts"
import { Overview } from "./Overview.tsx"
import * as Place from "./Place.ts"
import * as Recording from "./Recording.ts"
import { Simulation } from "./Simulation.tsx"
import { Size } from "./Size.tsx"
import { Timeline } from "./Timeline.tsx"
import * as Times from "./Times.ts"

const followMillis = 1000

/** The place, which is the address of the page. */
const usePlace = () => {
  const [place, setPlace] = useState(() => Place.parse(location.search))
  useEffect(() => {
    const back = () => {
      Address.forget()
      setPlace(Place.parse(location.search))
    }
    addEventListener("popstate", back)
    return () => removeEventListener("popstate", back)
  }, [])
  const go = useCallback((to: Place.Place, isStep: boolean) => {
    const address = `${location.pathname}${Place.format(to)}`
    if (isStep) Address.step(address)
    else Address.move(address)
    setPlace(to)
  }, [])
  return [place, go] as const
}

type Go = (to: Place.Place, isStep: boolean) => void

interface Shown {
  readonly collection: Collection
  readonly place: Place.Place
  readonly refresh: number
  readonly onKey: (key: Api.Json) => void
}

/** The contents as of a time, or what differs between two. */
const InTime = ({ go, ...shown }: Shown & { readonly go: Go }) => {
  const { collection, place } = shown
  const times = Times.readable(collection)
  return (
    <>
      {place.since !== undefined && (
        <Timeline
          collection={collection}
          label="From"
          time={place.since}
          onTime={(since) => go({ ...place, since: since ?? times?.last }, false)}
        />
      )}
      <Timeline
        collection={collection}
        label={place.since === undefined ? "As of" : "To"}
        time={place.asOf}
        onTime={(asOf) => go({ ...place, asOf }, false)}
      />
      {times !== undefined && (place.since === undefined ? <Contents {...shown} /> : <Comparison {...shown} />)}
    </>
  )
}

const View = ({ collection, go, place, refresh }: {
  readonly collection: Collection
  readonly place: Place.Place
  readonly go: Go
  readonly refresh: number
}) => {
  const times = Times.readable(collection)
  const shown = { collection, place, refresh, onKey: (key: Api.Json) => go({ ...place, key }, true) }
  return (
    <main>
      <header>
        <h1>{collection.name}</h1>
        <label class="search">
          Search{" "}
          <input
            type="search"
            value={place.search}
            placeholder={Keys.hint(collection.key.name)}
            onInput={({ currentTarget }) => go({ ...place, search: currentTarget.value }, false)}
          />
        </label>
        <button type="button" aria-pressed={place.isSize} onClick={() => go({ ...place, isSize: !place.isSize }, true)}>
          Why is it this big?
        </button>
        {times !== undefined && !place.isSize && (
          <label>
            <input
              type="checkbox"
              checked={place.since !== undefined}
              onChange={({ currentTarget }) =>
                go({ ...place, since: currentTarget.checked ? times.first : undefined }, true)}
            />{" "}
            Compare
          </label>
        )}
      </header>
      {place.isSize
        ? <Size collection={collection} refresh={refresh} onKey={shown.onKey} />
        : <InTime {...shown} go={go} />}
    </main>
  )
}

/** A saved history of a simulation, which is chosen or dropped on the page. */
const useRecording = () => {
  const [state, setState] = useState<{ readonly recording?: Recording.Recording; readonly error?: Error }>({})
  const open = useCallback((file: File | undefined) => {
    file?.text().then((text) => setState({ recording: Recording.parse(text) })).catch((error: Error) =>
      setState({ error })
    )
  }, [])
  useEffect(() => {
    const over = (event: DragEvent) => event.preventDefault()
    const drop = (event: DragEvent) => {
      event.preventDefault()
      open(event.dataTransfer?.files[0])
    }
    addEventListener("dragover", over)
    addEventListener("drop", drop)
    return () => {
      removeEventListener("dragover", over)
      removeEventListener("drop", drop)
    }
  }, [])
  return { ...state, open, close: () => setState({}) }
}

/** The saved history that a link names, at its step. */
const Linked = ({ go, name, place, refresh }: {
  readonly name: string
  readonly place: Place.Place
  readonly go: Go
  readonly refresh: number
}) => {
  const { error, value } = useLoading(
    `recording ${name}`,
    `${refresh}`,
    async (signal) => Recording.parse(await Api.recording(name, signal))
  )
  if (value === undefined) {
    return error === undefined ? <p class="quiet" role="status">Reading ...</p> : <Failure error={error} />
  }
  return (
    <Simulation
      key={name}
      recording={value}
      begin={place.step}
      onStep={(step) => go({ ...place, step }, false)}
      onClose={() => go({ ...place, recording: undefined, step: undefined }, true)}
    />
  )
}

const OpenRecording = ({ onFile }: { readonly onFile: (file: File | undefined) => void }) => (
  <label class="open" title="What tidemark simulate --save has written">
    Open a simulation
    <input
      type="file"
      accept=".json,application/json"
      onChange={({ currentTarget }) => {
        onFile(currentTarget.files?.[0])
        currentTarget.value = ""
      }}
    />
  </label>
)

const App = () => {
  const [place, go] = usePlace()
  const simulation = useRecording()
  const [refresh, setRefresh] = useState(0)
  const [isFollowing, setFollowing] = useState(false)
  const { error, value } = useLoading("collections", `${refresh}`, Api.collections)
  useEffect(() => {
    if (!isFollowing) return
    const timer = setInterval(() => setRefresh((count) => count + 1), followMillis)
    return () => clearInterval(timer)
  }, [isFollowing])
  const collection = value?.find(({ name }) => name === place.collection)
  // What is of a fixed time does not change: only the latest is read again.
  const version = place.asOf === undefined && collection !== undefined && collection.upper !== "empty"
    ? collection.upper
    : 0
  return (
    <>
      <header class="top">
        <a href={location.pathname} class="brand">Tidemark</a>
        <label>
          <input
            type="checkbox"
            checked={isFollowing}
            onChange={({ currentTarget }) => setFollowing(currentTarget.checked)}
          />{" "}
          Live
        </label>
        <button type="button" onClick={() => setRefresh(refresh + 1)}>Refresh</button>
        <OpenRecording onFile={simulation.open} />
        {error instanceof Api.Refused && error.status === 401 && (
          <form
            onSubmit={(event) => {
              event.preventDefault()
              Api.setToken(new FormData(event.currentTarget).get("token") as string)
              setRefresh(refresh + 1)
            }}
          >
            <label>
              Token <input name="token" type="password" autocomplete="off" required />
            </label>{" "}
            <button>Use</button>
          </form>
        )}
      </header>
      <Failure error={simulation.error ?? error} />
      {simulation.recording !== undefined
        ? <Simulation recording={simulation.recording} onClose={simulation.close} />
        : place.recording !== undefined && <Linked name={place.recording} place={place} go={go} refresh={refresh} />}
      {value === undefined && error === undefined && <p class="quiet" role="status">Connecting ...</p>}
      {value !== undefined && simulation.recording === undefined && place.recording === undefined && (
        <div class="columns">
          <Collections all={value} chosen={place.collection} onChoose={(name) => go(Place.of(name), true)} />
          {collection !== undefined
            ? (
              <View
                key={collection.name}
                collection={collection}
                place={place}
                go={go}
                // Batches are merged without a change of what is in them.
                refresh={place.isSize ? refresh : version}
              />
            )
            : place.collection === undefined
            ? <Overview refresh={refresh} onChoose={(name) => go(Place.of(name, true), true)} />
            : (
              <main>
                <p class="empty">There is no collection "{place.collection}".</p>
              </main>
            )}
          {collection !== undefined && place.key !== undefined && (
            <Life
              name={collection.name}
              json={place.key}
              refresh={version}
              shown={place.asOf}
              onTime={(asOf) => go({ ...place, asOf }, true)}
              onClose={() => go({ ...place, key: undefined }, true)}
            />
          )}
        </div>
      )}
    </>
  )
}

render(<App />, document.getElementById("app")!)
