import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { StorageConfig } from "../../src/config/index.ts"
import { inProcess, Merger } from "../../src/runtime/Merger.ts"

describe("a store that a URL names", () => {
  it.effect.each([
    "file:///nowhere",
    "postgres://app@localhost/app",
    "s3://bucket/prefix?endpoint=http://localhost:1&region=us-east-1",
    "postgres://app@localhost/app s3://bucket/prefix?endpoint=http://localhost:1&region=us-east-1"
  ])("merges in a worker thread: %s", (url) =>
    Effect.gen(function*() {
      const storage = yield* Layer.build(StorageConfig.layerUrl(url))
      assert.notStrictEqual(Context.get(storage as Context.Context<never>, Merger), inProcess)
    }))
})
