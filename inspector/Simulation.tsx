/**
 * The history of a simulation, stepped through: a lane for each process, the commands on an axis of what came after what,
 * and the violation in it.
 */
import { useEffect, useMemo, useRef, useState } from "preact/hooks"
import type { Lane, Placed, Recording } from "./Recording.ts"
import { lanesOf, marksOf } from "./Recording.ts"
import { Whole } from "./Value.tsx"

const unit = 9
const rowHeight = 16

/** A command is drawn up to where it was answered, one without an answer only where it was asked. */
const Bar = ({ chosen, mark, onChoose, placed: { begin, end, index, operation }, row }: {
  readonly placed: Placed
  readonly row: number
  readonly chosen: boolean
  readonly mark: string | undefined
  readonly onChoose: (index: number) => void
}) => (
  <rect
    class={`${operation.outcome} ${mark ?? ""} ${chosen ? "chosen" : ""}`}
    x={begin * unit + 1}
    y={row * rowHeight + 2}
    width={Math.max(unit - 2, (end - begin) * unit - 2)}
    height={rowHeight - 4}
    onClick={() => onChoose(index)}
  >
    <title>{`${operation.client}: ${operation.call._tag}, ${operation.outcome}`}</title>
  </rect>
)

const LaneOf = ({ chosen, lane, marks, moment, moments, onChoose }: {
  readonly lane: Lane
  readonly moments: number
  readonly moment: number
  readonly chosen: number
  readonly marks: ReadonlyMap<number, string>
  readonly onChoose: (index: number) => void
}) => (
  <div class="lane">
    <span>{lane.client}</span>
    <svg
      role="img"
      aria-label={`Commands of ${lane.client}`}
      width={(moments + 1) * unit}
      height={lane.rows.length * rowHeight}
    >
      {lane.rows.flatMap((row, i) =>
        row.map((placed) => (
          <Bar
            key={placed.index}
            placed={placed}
            row={i}
            chosen={placed.index === chosen}
            mark={marks.get(placed.index)}
            onChoose={onChoose}
          />
        ))
      )}
      <line x1={moment * unit} x2={moment * unit} y1={0} y2="100%" />
    </svg>
  </div>
)

const keys = new Map([["ArrowLeft", -1], ["ArrowRight", 1], ["Home", -Infinity], ["End", Infinity]])

/** A step by its keys, but where one types. */
const useKeys = (onStep: (by: number) => void) => {
  const step = useRef(onStep)
  step.current = onStep
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      const by = keys.get(event.key)
      if (by === undefined || event.target instanceof HTMLInputElement) return
      event.preventDefault()
      step.current(by)
    }
    addEventListener("keydown", pressed)
    return () => removeEventListener("keydown", pressed)
  }, [])
}

const Details = ({ index, recording: { history, violations } }: {
  readonly recording: Recording
  readonly index: number
}) => {
  const { call: { _tag, ...call }, client, completed, invoked, outcome, reply } = history[index]!
  return (
    <section class="details" aria-label="The chosen command">
      <h2>{client}: {_tag}</h2>
      {violations.filter(({ operation, others }) => operation === index || others.includes(index)).map((each, i) => (
        <p class="error" key={i}>
          <strong>{each.kind}</strong>: {each.detail}
          {each.operation !== index && `, says the answer to command ${each.operation}`}
        </p>
      ))}
      <Whole value={call} />
      <p>
        Asked at {invoked}; {completed === undefined ? "never answered" : `answered at ${completed}`}: {outcome}
      </p>
      {reply !== undefined && <Whole value={reply} />}
    </section>
  )
}

export const Simulation = ({ begin, onClose, onStep, recording }: {
  readonly recording: Recording
  /** The command that is chosen first, counted from 1: that of the first violation, unless a link names one. */
  readonly begin?: number | undefined
  readonly onStep?: (command: number) => void
  readonly onClose: () => void
}) => {
  const { lanes, moments, steps } = useMemo(() => lanesOf(recording), [recording])
  const marks = useMemo(() => marksOf(recording), [recording])
  const wrong = recording.violations.map(({ operation }) => steps.indexOf(operation))
  const within = (at: number) => Math.min(Math.max(at, 0), steps.length - 1)
  const [step, setStep] = useState(within(begin === undefined ? wrong[0] ?? 0 : begin - 1))
  const view = useRef<HTMLDivElement>(null)
  const go = (to: number) => {
    setStep(within(to))
    onStep?.(within(to) + 1)
  }
  useKeys((by) => go(step + by))
  const chosen = steps[step]!
  const placed = lanes.flatMap(({ rows }) => rows.flat()).find(({ index }) => index === chosen)
  useEffect(() => {
    view.current?.querySelector(".chosen")?.scrollIntoView({ block: "nearest", inline: "center" })
  }, [chosen])
  const next = wrong.find((at) => at > step) ?? wrong[0]
  return (
    <main class="simulation">
      <header>
        <h1>A simulation, step by step</h1>
        <div class="tools">
          <button type="button" title="The command before" onClick={() => go(step - 1)}>←</button>
          <button type="button" title="The next command" onClick={() => go(step + 1)}>→</button>
          {next !== undefined && <button type="button" onClick={() => go(next)}>To the violation</button>}
          <button type="button" onClick={onClose}>Close</button>
        </div>
        <p role="status">
          Command {step + 1} of {steps.length}, {wrong.length.toLocaleString("en")}{" "}
          violation{wrong.length === 1 ? "" : "s"}
        </p>
      </header>
      <details open={wrong.length === 0}>
        <summary>{recording.problem.split("\n")[0]}</summary>
        <pre>{recording.problem}</pre>
        <p>
          Again with <code>{recording.replay}</code>
        </p>
      </details>
      <div class="lanes" role="region" aria-label="Processes" tabIndex={0} ref={view}>
        {lanes.map((lane) => (
          <LaneOf
            key={lane.client}
            lane={lane}
            moments={moments}
            moment={placed?.begin ?? 0}
            chosen={chosen}
            marks={marks}
            onChoose={(index) => go(steps.indexOf(index))}
          />
        ))}
      </div>
      {placed !== undefined && <Details recording={recording} index={chosen} />}
    </main>
  )
}
