/**
 * What the page reads from its server.
 */
export type Json = null | boolean | number | string | ReadonlyArray<Json> | { readonly [name: string]: Json }

export type Frontier = number | "empty"

export interface Collection {
  readonly name: string
  readonly id: number
  readonly key: { readonly name: string }
  readonly value: { readonly name: string }
  readonly since: Frontier
  readonly upper: Frontier
  /** The first time at which something is stored, if anything is. */
  readonly firstTime?: number
}

/** Rows that are stored together. */
export interface Piece {
  readonly kind: "log" | "spill" | "trace"
  readonly level: number
  readonly rows: number
  readonly bytes: number
  readonly minTime: number
  readonly maxTime: number
}

export interface Footprint {
  readonly rows: number
  readonly bytes: number
  readonly pieces: ReadonlyArray<Piece>
  readonly keys: ReadonlyArray<{
    readonly key: Json
    readonly bytes: number
    readonly updates: number
    readonly lastChanged: number
  }>
  readonly seenBytes: number
}

export interface Rehearsal {
  readonly before: { readonly bytes: number }
  readonly after: { readonly bytes: number }
  readonly command: string
}

/** A flow from collections to another one, and how far each of these is sealed. */
export interface RunningFlow {
  readonly name: string
  readonly from: ReadonlyArray<FlowEnd>
  readonly to: FlowEnd
}

export interface FlowEnd {
  readonly collection: string
  readonly upper: Frontier
}

export interface StoreSize {
  readonly logEntries: number
  readonly collections: ReadonlyArray<{
    readonly name: string
    readonly rows: number
    readonly bytes: number
    readonly since: Frontier
  }>
  readonly holds: ReadonlyArray<{ readonly name: string; readonly leaseMillis: number }>
  readonly subscribers: ReadonlyArray<{
    readonly collection: string
    readonly delivered: Frontier
    readonly upper: Frontier
  }>
  readonly flows: ReadonlyArray<RunningFlow>
}

export interface Row {
  readonly key: Json
  readonly value: Json
  readonly diff: number
}

export interface Update extends Row {
  readonly time: number
}

export interface Page {
  readonly asOf: number
  readonly rows: ReadonlyArray<Row>
  readonly next?: Json
}

/** A request that the server refused, in its own words. */
export class Refused extends Error {
  readonly status: number
  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

const tokenItem = "tidemark token"

/** The token is forgotten with the tab. */
export const setToken = (token: string): void => sessionStorage.setItem(tokenItem, token)

type Query = Readonly<Record<string, string | number | undefined>>

const request = async (path: string, query: Query, signal: AbortSignal): Promise<Response> => {
  const params = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) if (value !== undefined) params.set(name, `${value}`)
  const token = sessionStorage.getItem(tokenItem)
  const response = await fetch(`${path}${params.size === 0 ? "" : `?${params}`}`, {
    signal,
    headers: token === null || token === "" ? {} : { authorization: `Bearer ${token}` }
  })
  if (response.ok) return response
  const { detail, title } = await response.json() as { readonly title: string; readonly detail?: string }
  throw new Refused(response.status, detail === undefined ? title : `${title}: ${detail}`)
}

const read = async <A>(path: string, query: Query, signal: AbortSignal): Promise<A> =>
  await (await request(path, query, signal)).json() as A

const at = (name: string): string => `collections/${encodeURIComponent(name)}`

export const collections = (signal: AbortSignal): Promise<ReadonlyArray<Collection>> => read("collections", {}, signal)

/** A saved history of a simulation, as text. */
export const recording = async (name: string, signal: AbortSignal): Promise<string> => {
  try {
    return await (await request(`recordings/${encodeURIComponent(name)}`, {}, signal)).text()
  } catch (error) {
    if (!(error instanceof Refused) || error.status !== 404) throw error
    throw new Refused(
      404,
      `The server has no recording "${name}": "tidemark serve --recordings DIRECTORY" names where they are.`
    )
  }
}

export const store = (signal: AbortSignal): Promise<StoreSize> => read("store", {}, signal)

export const footprint = (name: string, signal: AbortSignal): Promise<Footprint> =>
  read(`${at(name)}/footprint`, {}, signal)

export const rehearsal = (name: string, since: number, signal: AbortSignal): Promise<Rehearsal> =>
  read(`${at(name)}/rehearsal`, { since }, signal)

/** Which keys to read, each bound as JSON text. */
export interface Keys {
  readonly from?: string | undefined
  readonly to?: string | undefined
  readonly prefix?: string | undefined
}

export const range = (
  name: string,
  query: Keys & { readonly asOf?: number | undefined; readonly limit: number },
  signal: AbortSignal
): Promise<Page> => read(`${at(name)}/range`, { ...query }, signal)

export const history = (name: string, key: Json, signal: AbortSignal): Promise<ReadonlyArray<Update>> =>
  read(`${at(name)}/history`, { key: JSON.stringify(key) }, signal)

/** The first rows that differ between two times, at most `limit` of them. */
export const changes = async (
  name: string,
  from: number,
  to: number,
  limit: number,
  signal: AbortSignal
): Promise<ReadonlyArray<Row>> => {
  const enough = new AbortController()
  const response = await request(`${at(name)}/changes`, { from, to }, AbortSignal.any([signal, enough.signal]))
  const rows: Array<Row> = []
  let rest = ""
  for await (const text of response.body!.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n")
    rest = lines.pop()!
    for (const line of lines) rows.push(JSON.parse(line) as Row)
    if (rows.length >= limit) break
  }
  enough.abort()
  return rows.slice(0, limit)
}
