import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Context, Effect, Layer } from "effect"
import { Blob, Log } from "tidemark"
import { StorageConfig } from "tidemark/config"
import { directory } from "../node/Temporary.ts"

const locations = (layer: Layer.Layer<Log.Log | Blob.Blob, unknown>) =>
  Effect.map(
    Layer.build(layer),
    (storage) => [Context.get(storage, Log.Log), Context.get(storage, Blob.Blob)].map(({ location }) => location)
  )

describe("the URL of a store", () => {
  it.live.each<readonly [string, string]>([
    ["memory:", "memory"],
    ["file:///var/lib/or%20ders", "/var/lib/or ders"],
    ["postgres://app:secret@db:5433/app", "postgres://db:5433/app?schema=tidemark"],
    ["postgresql://db/app?schema=orders", "postgres://db/app?schema=orders"],
    ["s3://bucket/a/b/?region=eu-west-1&endpoint=http%3A%2F%2Flocalhost%3A9000", "s3://bucket/a/b/"]
  ])("%s", ([url, location]) =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* locations(StorageConfig.layerUrl(url)), [location, location])
    }))

  it.live("of a pair names the log and the blobs", () =>
    Effect.gen(function*() {
      const url = "postgres://db/app s3://bucket/orders"
      const named = yield* locations(StorageConfig.layerUrl(url))
      assert.deepStrictEqual(named, ["postgres://db/app?schema=tidemark", "s3://bucket/orders/"])
    }))

  it.live.each<readonly [string, string]>([
    ["orders", "no URL"],
    ["", "no URL"],
    ["ftp://user:secret@host/x", "the schemes of stores are memory:, file:, postgres:, postgresql:, s3:"],
    ["file://host/x", "absolute path"],
    ["file:///a%2Fb", "absolute path"],
    ["postgres://user:secret@host/x?schema=No", "schema"],
    ["memory: memory: memory:", "more than two"]
  ])("%s names no store", ([url, detail]) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Effect.scoped(Layer.build(StorageConfig.layerUrl(url))))
      assert.strictEqual(error._tag, "NotAStore")
      assert.include(error.message, detail)
      assert.notInclude(error.message, "secret")
    }))

  it.live("comes from the configuration", () =>
    Effect.gen(function*() {
      const path = yield* directory
      const provider = ConfigProvider.layer(ConfigProvider.fromUnknown({ TIDEMARK_STORE: `file://${path}` }))
      assert.deepStrictEqual(yield* locations(StorageConfig.layer().pipe(Layer.provide(provider))), [path, path])
      const missing = StorageConfig.layer().pipe(Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({}))))
      assert.strictEqual((yield* Effect.flip(Effect.scoped(Layer.build(missing))))._tag, "ConfigError")
    }))
})
