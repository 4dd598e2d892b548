// The contract of storage on files, in whatever runtime this is: `ContractProgram DIRECTORY`. Prints how many rules hold.
import { Effect } from "effect"
import { mkdirSync, mkdtempSync } from "node:fs"
import { join } from "node:path"
import { FileStorage } from "tidemark/node"
import { BlobContract, LogContract } from "tidemark/testing"

const [directory] = process.argv.slice(2)

mkdirSync(directory!, { recursive: true })
const makeStore = Effect.sync(() => FileStorage.layer({ directory: mkdtempSync(join(directory!, "store-")) }))

const tests = [...LogContract.tests(makeStore), ...BlobContract.tests(makeStore)]

const program = Effect.forEach(
  tests,
  ({ name, run }) => Effect.onError(Effect.scoped(run), (cause) => Effect.logError(name, cause)),
  { discard: true }
)

await Effect.runPromise(program)
process.stdout.write(`${tests.length} rules hold`)
