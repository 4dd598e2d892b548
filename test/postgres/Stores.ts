// Stores in Postgres, for tests.
import { Effect, Layer } from "effect"
import type { Blob, Log } from "tidemark"
import { PostgresStorage } from "tidemark/postgres"
import type { Server } from "./Server.ts"

/** A new, empty store. */
export const makeStore = (server: Server): Effect.Effect<Layer.Layer<Log.Log | Blob.Blob>> =>
  Effect.sync(() => PostgresStorage.layer({ url: server.newStore() }))

/** An opener of a store, as a process of its own would be. */
export const open = (
  url: string,
  options: Partial<PostgresStorage.Options> = {}
) => Layer.build(Layer.fresh(PostgresStorage.layer({ url, ...options })))
