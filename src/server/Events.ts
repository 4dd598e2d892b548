/**
 * Server-sent events: the encoding of complete times and of the end of a stream.
 *
 * @internal
 */
import type { CollectionEvent } from "../client/CollectionEvent.ts"
import type { Json } from "../client/StoredJson.ts"
import type { SubscribeError } from "../client/Subscription.ts"
import * as Frontier from "../Frontier.ts"
import type { ValueOutOfRange } from "../PersistError.ts"
import type { Update } from "../Update.ts"
import * as Problem from "./Problem.ts"

/** What a subscription over HTTP may fail with while it runs. */
export type EventsError = SubscribeError | ValueOutOfRange

const encoder = new TextEncoder()

/** The approximate length of the text of one event: parsers keep one event in memory. */
const eventLength = 64 * 1024

const updatesEvents = (updates: ReadonlyArray<Update<Json, Json>>): string => {
  let text = ""
  let open = 0
  for (const { diff, key, time, value } of updates) {
    text += open === 0 ? "event: updates\ndata: [" : ","
    const row = JSON.stringify({ key, value, time, diff })
    text += row
    open += row.length
    if (open >= eventLength) {
      text += "]\n\n"
      open = 0
    }
  }
  return open === 0 ? text : `${text}]\n\n`
}

/** The bytes that deliver an event of a subscription to the collection with this id. */
export const render = (event: CollectionEvent<Json, Json>, collection: number): Uint8Array => {
  if (event._tag === "Updates") return encoder.encode(updatesEvents(event.updates))
  const frontier = Frontier.toJson(event.frontier)
  return encoder.encode(`event: progress\nid: ${collection}-${frontier}\ndata: ${JSON.stringify({ frontier })}\n\n`)
}

/** A comment, which clients ignore. Sending it detects a connection whose client is gone. */
export const heartbeat = encoder.encode(": \n\n")

/** Reports why the stream ends. */
export const problem = (error: EventsError): Uint8Array => {
  const { detail, status, title, type } = Problem.of(error)
  return encoder.encode(`event: problem\ndata: ${JSON.stringify({ type, status, title, detail })}\n\n`)
}
