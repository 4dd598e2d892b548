import { describe, it } from "@effect/vitest"
import * as BlobContract from "../../src/testing/storage/BlobContract.ts"
import * as LogContract from "../../src/testing/storage/LogContract.ts"
import { makeStore } from "./Temporary.ts"

describe("log_impl_test: files", () => {
  for (const { name, run } of LogContract.tests(makeStore())) it.effect(name, () => run)
})

describe("log_impl_test: files, many small segments", () => {
  for (const { name, run } of LogContract.tests(makeStore(256))) it.effect(name, () => run)
})

describe("blob_impl_test: files", () => {
  for (const { name, run } of BlobContract.tests(makeStore())) it.effect(name, () => run)
})
