/**
 * Values that are read from the server, as the hooks of the page see them.
 */
import { useCallback, useEffect, useState } from "preact/hooks"
import type { Keys, Page, Row } from "./Api.ts"
import * as Api from "./Api.ts"

export interface Loading<A> {
  readonly value: A | undefined
  readonly error: Error | undefined
  readonly isLoading: boolean
}

const nothing = { value: undefined, error: undefined, isLoading: true }

const errorOf = (cause: unknown): Error => cause instanceof Error ? cause : new Error(String(cause))

/**
 * The result of the last read. While the next one is under way the one before stays, if it was of the same subject; what
 * was read of another subject is never shown, however late it comes.
 */
export const useLoading = <A>(
  subject: string,
  version: string,
  read: (signal: AbortSignal) => Promise<A>
): Loading<A> => {
  const [state, setState] = useState<Loading<A> & { readonly subject: string }>({ ...nothing, subject })
  useEffect(() => {
    const abort = new AbortController()
    setState((before) => before.subject === subject ? { ...before, isLoading: true } : { ...nothing, subject })
    read(abort.signal).then(
      (value) => abort.signal.aborted || setState({ value, error: undefined, isLoading: false, subject }),
      (cause: unknown) =>
        abort.signal.aborted || setState({ value: undefined, error: errorOf(cause), isLoading: false, subject })
    )
    return () => abort.abort()
  }, [subject, version])
  return state.subject === subject ? state : nothing
}

const pageSize = 500

/** More than a screen shows, and little to read for each step of the slider. */
const firstPageSize = 100

interface Rows {
  readonly rows: ReadonlyArray<Row>
  readonly asOf: number | undefined
  readonly hasMore: boolean
}

/** Contents, page by page. */
export const useRows = (name: string, keys: Keys, asOf: number | undefined, refresh: number) => {
  const version = JSON.stringify([keys, asOf, refresh])
  const first = useLoading(name, version, (signal) => Api.range(name, { ...keys, asOf, limit: firstPageSize }, signal))
  const [rest, setRest] = useState<{ readonly of: Page | undefined; readonly pages: ReadonlyArray<Page> }>({
    of: undefined,
    pages: []
  })
  const [error, setError] = useState<Error>()
  const pages = first.value === undefined ? [] : [first.value, ...(rest.of === first.value ? rest.pages : [])]
  const last = pages.at(-1)
  const more = useCallback(() => {
    if (first.value === undefined || last?.next === undefined) return
    const query = { ...keys, from: JSON.stringify(last.next), asOf: last.asOf, limit: pageSize }
    Api.range(name, query, new AbortController().signal).then(
      (page) =>
        setRest((before) => {
          const known = before.of === first.value ? before.pages : []
          // A page that was asked for twice is there once.
          return (known.at(-1) ?? first.value) === last ? { of: first.value, pages: [...known, page] } : before
        }),
      (cause: unknown) => setError(errorOf(cause))
    )
  }, [first.value, last])
  const value: Rows = {
    rows: pages.flatMap((page) => page.rows),
    asOf: first.value?.asOf,
    hasMore: last?.next !== undefined
  }
  return { ...value, isLoading: first.isLoading, error: first.error ?? error, more }
}
