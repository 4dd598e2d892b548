import { afterAll, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as BlobContract from "../../src/testing/storage/BlobContract.ts"
import * as LogContract from "../../src/testing/storage/LogContract.ts"
import { server } from "./Server.ts"
import { makeStore } from "./Stores.ts"

const postgres = await server()
afterAll(() => postgres?.remove())

const store = Effect.suspend(() => makeStore(postgres!))

describe.skipIf(postgres === undefined)("log_impl_test: postgres", () => {
  for (const { name, run } of LogContract.tests(store)) it.live(name, () => run)
})

describe.skipIf(postgres === undefined)("blob_impl_test: postgres", () => {
  for (const { name, run } of BlobContract.tests(store)) it.live(name, () => run)
})
