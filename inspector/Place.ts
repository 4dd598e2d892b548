/**
 * What is looked at, as the address of the page: a link to it shows the same.
 */
import type { Json } from "./Api.ts"

export interface Place {
  readonly collection: string | undefined
  /** Absent: the last sealed time. */
  readonly asOf: number | undefined
  /** The earlier time of a comparison. */
  readonly since: number | undefined
  readonly search: string
  readonly key: Json | undefined
  /** Whether its size is shown instead of its contents. */
  readonly isSize: boolean
  /** A saved history of a simulation that the server has, instead of the store. */
  readonly recording: string | undefined
  /** The command of it that is chosen, counted from 1. */
  readonly step: number | undefined
}

const timeOf = (text: string | null): number | undefined =>
  text !== null && /^\d{1,16}$/.test(text) ? Number(text) : undefined

const jsonOf = (text: string | null): Json | undefined => {
  try {
    return text === null ? undefined : JSON.parse(text) as Json
  } catch {
    return undefined
  }
}

export const parse = (query: string): Place => {
  const params = new URLSearchParams(query)
  return {
    collection: params.get("collection") ?? undefined,
    asOf: timeOf(params.get("asOf")),
    since: timeOf(params.get("since")),
    search: params.get("search") ?? "",
    key: jsonOf(params.get("key")),
    isSize: params.get("view") === "size",
    recording: params.get("recording") ?? undefined,
    step: timeOf(params.get("step"))
  }
}

export const format = ({ asOf, collection, isSize, key, recording, search, since, step }: Place): string => {
  const params = new URLSearchParams()
  if (collection !== undefined) params.set("collection", collection)
  if (asOf !== undefined) params.set("asOf", `${asOf}`)
  if (since !== undefined) params.set("since", `${since}`)
  if (search !== "") params.set("search", search)
  if (key !== undefined) params.set("key", JSON.stringify(key))
  if (isSize) params.set("view", "size")
  if (recording !== undefined) params.set("recording", recording)
  if (recording !== undefined && step !== undefined) params.set("step", `${step}`)
  return params.size === 0 ? "" : `?${params}`
}

/** What another collection keeps of where one was: nothing, as its times and keys are its own. */
export const of = (collection: string, isSize = false): Place => ({
  isSize,
  collection,
  asOf: undefined,
  since: undefined,
  search: "",
  key: undefined,
  recording: undefined,
  step: undefined
})
