/**
 * The slider over all times that can be read, with the keyboard, step by step, or playing.
 */
import { useEffect, useState } from "preact/hooks"
import type { Collection } from "./Api.ts"
import * as Api from "./Api.ts"
import * as Times from "./Times.ts"

const ticks = 60
const tickMillis = 500

type Differ = (from: number, to: number) => Promise<boolean>

interface Props {
  readonly collection: Collection
  readonly label: string
  readonly time: number | undefined
  readonly onTime: (time: number | undefined) => void
}

export const Timeline = ({ collection, label, onTime, time }: Props) => {
  const times = Times.readable(collection)
  const [isPlaying, setPlaying] = useState(false)
  const [note, setNote] = useState("")
  const first = times?.first ?? 0
  const last = times?.last
  const now = time ?? last
  useEffect(() => {
    if (!isPlaying || now === undefined || last === undefined) return
    if (now >= last) return setPlaying(false)
    const step = Math.max(1, Math.round((last - first) / ticks))
    const timer = setTimeout(() => onTime(Math.min(last, now + step)), tickMillis)
    return () => clearTimeout(timer)
  }, [isPlaying, now, last])
  if (times === undefined) return <p class="quiet">No time of it is sealed yet: there is nothing to move through.</p>
  const jump = async (to: (differ: Differ) => Promise<number | undefined>) => {
    setNote("looking ...")
    const hasChanged = async (from: number, until: number) =>
      (await Api.changes(collection.name, from, until, 1, new AbortController().signal)).length > 0
    const found = await to(hasChanged).catch((error: Error) => setNote(error.message))
    if (found !== undefined) onTime(found)
    setNote(found === undefined ? "nothing else changes" : "")
  }
  return (
    <div class="timeline">
      <label>
        {label} <strong>{now === undefined ? "the end" : Times.format(now)}</strong>
        {last !== undefined && (
          <input
            type="range"
            min={first}
            max={last}
            value={now}
            step={1}
            aria-label={label}
            onInput={(event) => onTime(event.currentTarget.valueAsNumber)}
          />
        )}
      </label>
      <span class="tools">
        <input
          type="number"
          min={first}
          max={last}
          value={time ?? ""}
          placeholder="latest"
          aria-label={`${label}, as a number`}
          onChange={({ currentTarget: { value } }) => onTime(value === "" ? undefined : Number(value))}
        />
        {last !== undefined && now !== undefined && (
          <>
            <button
              type="button"
              title="To the change before"
              onClick={() => void jump((differ) => Times.lastChange(first, now, differ))}
            >
              ⇤
            </button>
            <button
              type="button"
              aria-pressed={isPlaying}
              title="Play"
              onClick={() => {
                if (!isPlaying && now >= last) onTime(first)
                setPlaying(!isPlaying)
              }}
            >
              {isPlaying ? "❚❚" : "▶"}
            </button>
            <button
              type="button"
              title="To the next change"
              onClick={() => void jump((differ) => Times.firstChange(now, last, differ))}
            >
              ⇥
            </button>
          </>
        )}
        <button type="button" onClick={() => onTime(undefined)} disabled={time === undefined}>Latest</button>
        <span class="quiet" role="status">{note}</span>
      </span>
    </div>
  )
}
