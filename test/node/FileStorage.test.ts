import { describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { join } from "node:path"
import { FileStorage } from "../../src/node/index.ts"
import * as BlobContract from "../../src/testing/storage/BlobContract.ts"
import * as LogContract from "../../src/testing/storage/LogContract.ts"
import { directory, makeStore } from "./Temporary.ts"

describe("log_impl_test: files", () => {
  for (const { name, run } of LogContract.tests(makeStore())) it.effect(name, () => run)
})

describe("log_impl_test: files, many small segments", () => {
  for (const { name, run } of LogContract.tests(makeStore(256))) it.effect(name, () => run)
})

describe("log_impl_test: files, with flushes that block", () => {
  const store = Effect.map(
    directory,
    (path) => FileStorage.layer({ directory: join(path, "store"), flush: "blocking" })
  )
  for (const { name, run } of LogContract.tests(store)) it.effect(name, () => run)
})

describe("blob_impl_test: files", () => {
  for (const { name, run } of BlobContract.tests(makeStore())) it.effect(name, () => run)
})
