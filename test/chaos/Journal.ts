/**
 * A history that is written down as it happens, so that the replies of a process outlive the process: each operation as
 * a line when it begins, and again when it has ended.
 */
import { Effect } from "effect"
import * as History from "../../src/testing/history/History.ts"

/** What a node says. */
export type Line =
  | { readonly _tag: "Operation"; readonly id: string; readonly operation: History.Operation }
  | { readonly _tag: "Delivered"; readonly id: string; readonly event: History.Delivered }
  | { readonly _tag: "Writes" }
  | { readonly _tag: "Problem"; readonly problem: string }

/** A clock that all processes of the machine share, and that is never set. In nanoseconds. */
export const now = (): number => Number(process.hrtime.bigint())

/** Records each operation on its own. What has not ended yet is in no history but that of the lines. */
export const recorder = (process: string, say: (line: Line) => void): History.Recorder => {
  let count = 0
  const begin = (operation: History.Operation): string => {
    const id = `${process} ${count++}`
    say({ _tag: "Operation", id, operation })
    return id
  }
  return {
    record: (client, call, effect, reply) =>
      Effect.suspend(() => {
        const id = begin({ client, call, outcome: "unknown", invoked: now() })
        const one = History.recorder(now)
        return Effect.onExit(one.record(client, call, effect, reply), () =>
          Effect.sync(() => one.history().forEach((operation) => say({ _tag: "Operation", id, operation }))))
      }),
    subscription: (client, call) => {
      const reply = { _tag: "Delivered", events: [] } as const
      const id = begin({ client, call, outcome: "unknown", invoked: now(), reply })
      return (event) => say({ _tag: "Delivered", id, event })
    },
    history: () => []
  }
}

export interface Journal {
  readonly add: (line: Line) => void
  readonly history: () => History.History
}

/** Puts the lines of all nodes together. */
export const make = (): Journal => {
  const operations = new Map<string, History.Operation>()
  const received = new Map<string, Array<History.Delivered>>()
  return {
    add: (line) => {
      if (line._tag === "Operation") operations.set(line.id, line.operation)
      if (line._tag === "Delivered") {
        const events = received.get(line.id) ?? []
        events.push(line.event)
        received.set(line.id, events)
      }
    },
    history: () =>
      Array.from(operations, ([id, operation]) => {
        const events = received.get(id)
        return events === undefined ? operation : { ...operation, reply: { _tag: "Delivered", events } }
      })
  }
}

/** A line, as a node has said it. The last one of a process that was killed may be torn. */
export const parse = (text: string): Line | undefined => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
