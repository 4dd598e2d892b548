// `node Standby.ts NAME URL`: the program of docs/examples/standby.ts on a store in Postgres.
import { Duration, Effect } from "effect"
import { PostgresStorage } from "tidemark/postgres"
import { run } from "../../docs/examples/standby.ts"

const [, , name = "", url = ""] = process.argv

Effect.runFork(Effect.provide(run(name, Duration.millis(500)), PostgresStorage.layer({ url })))
