/**
 * Where the events of a coding agent go, each in a module of its own, so that a process can load that of one store alone.
 */
import type { Store } from "./Store.ts"

/** Nothing: what it costs to make the events. */
const none = async (): Promise<Store> => ({
  commit: async () => undefined,
  session: async () => [],
  compact: async () => undefined,
  close: async () => undefined
})

export const modules = {
  "sqlite events": "SqliteEvents.ts",
  "sqlite upserts": "SqliteUpserts.ts",
  tidemark: "Collection.ts",
  tables: "Table.ts"
} as const

export type Name = "none" | keyof typeof modules

type Open = (directory: string) => Promise<Store>

export const opener = async (name: Name): Promise<Open> => {
  if (name === "none") return none
  const { open }: { readonly open: Open } = await import(`./${modules[name]}`)
  return open
}
