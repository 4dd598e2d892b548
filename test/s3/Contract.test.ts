import { describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as BlobContract from "../../src/testing/BlobContract.ts"
import * as LogContract from "../../src/testing/LogContract.ts"
import { makeStore } from "./Buckets.ts"
import { fake } from "./Fake.ts"
import { gateway } from "./Gateway.ts"

const ceph = await gateway()

const onFake = Effect.flatMap(fake, ({ endpoint }) => makeStore(endpoint))
const onFakeInParts = Effect.flatMap(fake, ({ endpoint }) => makeStore(endpoint, { partBytes: 700 }))

describe("log_impl_test: s3", () => {
  for (const { name, run } of LogContract.tests(onFake)) it.live(name, () => run)
})

describe("blob_impl_test: s3", () => {
  for (const { name, run } of BlobContract.tests(onFake)) it.live(name, () => run)
})

describe("blob_impl_test: s3, everything in parts", () => {
  for (const { name, run } of BlobContract.tests(onFakeInParts)) it.live(name, () => run)
})

const onCeph = makeStore(ceph ?? "")

describe.skipIf(ceph === undefined)("log_impl_test: s3, Ceph", () => {
  for (const { name, run } of LogContract.tests(onCeph)) it.live(name, () => run, 120_000)
})

describe.skipIf(ceph === undefined)("blob_impl_test: s3, Ceph", () => {
  for (const { name, run } of BlobContract.tests(onCeph)) it.live(name, () => run, 120_000)
})
