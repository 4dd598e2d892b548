/**
 * The event table of a coding agent: sessions of 66 parts, each of which grows from 0.5 to at most 20 KiB as it is streamed
 * in, and is rewritten whole with every step. A few sessions run at a time; now and then a finished part is touched again.
 * The same on every machine.
 */
import { partsOfSession } from "./Session.ts"

/** How often a part is written, on average, with what touches it later. */
const rewrites = 62
/** Sessions that are streamed in at the same time, step by step. */
const concurrent = 8
/** One update in so many touches a part that was finished before. */
const rareTouch = 40

export interface Event {
  readonly key: string
  /** What the part was, or `undefined` where it is new. */
  readonly before: string | undefined
  readonly after: string
}

let seed = 1
/** The next of a sequence of numbers from 0 to 1. */
const random = (): number => {
  seed ^= seed << 13
  seed ^= seed >>> 17
  seed ^= seed << 5
  return (seed >>> 0) / 4_294_967_296
}

const words = (
  "the of function return const error test file import value type string number await yield stream effect read write " +
  "should update because when agent tool call result output line change commit branch fix build run check path index"
).split(" ")

/** What parts say: a megabyte of it, from which each takes a stretch. */
const makeProse = (): string => {
  const said: Array<string> = []
  for (let length = 0; length < 1_048_576;) {
    const word = random() < 0.1 ? Math.floor(random() * 1e9).toString(36) : words[Math.floor(random() * words.length)]!
    said.push(word)
    length += word.length + 1
  }
  return Buffer.from(said.join(" ")).toString("latin1")
}

const prose = makeProse()

interface Part {
  readonly key: string
  readonly from: number
  readonly bytes: number
  readonly steps: number
  step: number
  value: string | undefined
}

const makePart = (session: number, part: number): Part => {
  const bytes = 512 + Math.floor(19.5 * 1024 * random() ** 2.5)
  return {
    key: `ses_${String(session).padStart(6, "0")}/prt_${String(part).padStart(4, "0")}`,
    from: Math.floor(random() * (prose.length - 24 * 1024)),
    bytes,
    steps: Math.max(2, Math.round(rewrites * (0.5 + random()) * (1 - 1 / rareTouch))),
    step: 0,
    value: undefined
  }
}

const valueOf = ({ bytes, from, key, step, steps }: Part): string => {
  const head = `{"id":"${key}","step":${step},"text":"`
  const length = Math.max(512, Math.floor(bytes * Math.min(1, step / steps)))
  return `${head}${prose.slice(from, from + length - head.length - 2)}"}`
}

const written = (part: Part): Event => {
  part.step++
  const before = part.value
  part.value = valueOf(part)
  return { key: part.key, before, after: part.value }
}

/** What is there when all is written. */
export interface Live {
  readonly rows: number
  readonly bytes: number
}

export const sessionsAt = (scale: number): number => Math.max(concurrent, Math.round(80 * scale))

/** The events of one step of all sessions that run, again and again. Returns what is there in the end. */
export function* steps(scale: number): Generator<ReadonlyArray<Event>, Live> {
  seed = 7
  const sessions = sessionsAt(scale)
  const finished: Array<Part> = []
  const streams: Array<{ readonly session: number; part: number; current: Part }> = []
  let begun = 0
  const begin = () => ({ session: begun, part: 0, current: makePart(begun++, 0) })
  while (streams.length < concurrent) streams.push(begin())
  while (streams.length > 0) {
    const step = new Map<string, Event>()
    for (const stream of streams.slice()) {
      const event = written(stream.current)
      step.set(event.key, event)
      if (finished.length > 0 && random() < 1 / rareTouch) {
        const touched = finished[Math.floor(random() * finished.length)]!
        if (!step.has(touched.key)) step.set(touched.key, written(touched))
      }
      if (stream.current.step < stream.current.steps) continue
      finished.push(stream.current)
      if (++stream.part < partsOfSession) stream.current = makePart(stream.session, stream.part)
      else if (begun < sessions) streams.splice(streams.indexOf(stream), 1, begin())
      else streams.splice(streams.indexOf(stream), 1)
    }
    yield [...step.values()]
  }
  return { rows: finished.length, bytes: finished.reduce((sum, { key, value }) => sum + key.length + value!.length, 0) }
}
