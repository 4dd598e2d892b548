// `node Runner.ts URL PORT`: a runner of the cluster of docs/examples/cluster.ts, whose stores are schemas of a database
// and whose locks are in it, too. It says `ready`.
import * as NodeClusterSocket from "@effect/platform-node/NodeClusterSocket"
import * as PgClient from "@effect/sql-pg/PgClient"
import { Effect, Layer, Option, Redacted } from "effect"
import { RunnerAddress } from "effect/cluster"
import { PostgresStorage } from "tidemark/postgres"
import { ledgers } from "../../docs/examples/cluster.ts"
import { quick } from "./Cluster.ts"

const [, , url = "", port = ""] = process.argv
const secret = Redacted.make(url)

const cluster = NodeClusterSocket.layer({
  shardingConfig: { ...quick, runnerAddress: Option.some(RunnerAddress.make("127.0.0.1", Number(port))) }
}).pipe(Layer.provide(PgClient.layer({ url: secret })))

const runner = ledgers(
  (name) => PostgresStorage.layer({ url: secret, schema: `ledger_${name}` }),
  quick.shardLockExpiration
).pipe(
  Layer.provide(cluster),
  Layer.tap(() => Effect.sync(() => console.log("ready")))
)

Effect.runFork(Layer.launch(runner))
