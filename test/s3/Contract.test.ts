import { describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as BlobContract from "../../src/testing/storage/BlobContract.ts"
import * as LogContract from "../../src/testing/storage/LogContract.ts"
import { makeStore } from "./Buckets.ts"
import { inProcess, onCeph } from "./Endpoints.ts"

const onFake = Effect.flatMap(inProcess.endpoint, (endpoint) => makeStore(endpoint))
const onFakeInParts = Effect.flatMap(inProcess.endpoint, (endpoint) => makeStore(endpoint, { partBytes: 700 }))

describe("log_impl_test: s3", () => {
  for (const { name, run } of LogContract.tests(onFake)) it.live(name, () => run)
})

describe("blob_impl_test: s3", () => {
  for (const { name, run } of BlobContract.tests(onFake)) it.live(name, () => run)
})

describe("blob_impl_test: s3, everything in parts", () => {
  for (const { name, run } of BlobContract.tests(onFakeInParts)) it.live(name, () => run)
})

for (const { endpoint, name } of onCeph) {
  const made = Effect.flatMap(endpoint, (found) => makeStore(found))

  describe(`log_impl_test: s3, ${name}`, () => {
    for (const { name, run } of LogContract.tests(made)) it.live(name, () => run, 120_000)
  })

  describe(`blob_impl_test: s3, ${name}`, () => {
    for (const { name, run } of BlobContract.tests(made)) it.live(name, () => run, 120_000)
  })
}
