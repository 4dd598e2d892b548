import { assert, describe, it } from "@effect/vitest"
import * as Failure from "../../src/s3/Failure.ts"

const thrown = (name: string, httpStatusCode: number) =>
  Object.assign(new Error("said so"), { name, $metadata: { httpStatusCode } })

const errorOf = (error: unknown, mayHaveHappened = false) =>
  Failure.toStorageError(Failure.of(error), "reading a blob", "s3://bucket/prefix", mayHaveHappened)

describe("a store that does not let us in", () => {
  it.each([
    [thrown("AccessDenied", 403), "policy"],
    [thrown("403", 403), "policy"],
    [thrown("InvalidAccessKeyId", 403), "credentials"],
    [thrown("SignatureDoesNotMatch", 403), "credentials"],
    [thrown("Unauthorized", 401), "credentials"],
    [thrown("ExpiredToken", 400), "credentials"],
    [thrown("InvalidToken", 400), "credentials"],
    [Object.assign(new Error("none found"), { name: "CredentialsProviderError" }), "credentials"],
    [thrown("RequestTimeTooSkewed", 403), "clock"]
  ])("is AccessDenied, with advice: %s", (error, advice) => {
    const found = errorOf(error)
    assert.deepInclude(found, { _tag: "AccessDenied", location: "s3://bucket/prefix" } as object)
    assert.include(found.message, advice)
    assert.strictEqual(errorOf(error, true)._tag, "Indeterminate")
  })

  it("is not one that is busy, or that finds the request wrong", () => {
    for (const error of [thrown("BadRequest", 400), thrown("SlowDown", 503), thrown("Conflict", 409)]) {
      assert.strictEqual(errorOf(error)._tag, "Unavailable")
    }
  })
})
