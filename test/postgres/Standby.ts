// `node Standby.ts NAME URL`: the program of docs/examples/standby.ts on a store in Postgres.
import { Duration, Effect } from "effect"
import { PostgresStorage } from "tidemark/postgres"
import { run } from "../../docs/examples/standby.ts"

export const detectionMillis = 500

const [, script, name = "", url = ""] = process.argv

if (script === import.meta.filename) {
  Effect.runFork(
    Effect.provide(run(name, Duration.millis(detectionMillis)), PostgresStorage.layer({ url }))
  )
}
