// The reference workload in a process of its own: `node Child.ts DIRECTORY FIRST LAST` runs the groups from FIRST to
// before LAST. Prints the account as a line of JSON whenever it says something new.
import { Context, Effect, Layer } from "effect"
import * as FileStorage from "../../src/node/FileStorage.ts"
import { Blob } from "../../src/storage/Blob.ts"
import { Log } from "../../src/storage/Log.ts"
import * as Store from "../utils/Store.ts"
import * as Workload from "./Workload.ts"

const [directory, first, last] = process.argv.slice(2)
const account: Workload.Account = []

const program = Effect.gen(function*() {
  const storage = yield* Layer.build(FileStorage.layer({ directory: directory!, segmentBytes: 4096 }))
  const client = yield* Store.client(Context.pick(Log, Blob)(storage), Store.tiny)
  const groups = Workload.make(Number(last)).slice(Number(first), Number(last))
  yield* Workload.run(client, groups, account, () => console.log(JSON.stringify(account)))
})

program.pipe(Effect.scoped, Effect.runPromise).catch((error: unknown) => console.error(String(error)))
