import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Result } from "effect"
import { Corrupt, DecodeError, UnsupportedFormat, ValueOutOfRange } from "../src/PersistError.ts"
import * as Pure from "../src/Pure.ts"

const corrupt = new Corrupt({ location: "there", offset: 0, detail: "damaged" })
const unsupported = new UnsupportedFormat({ location: "there", found: 9, supported: 1 })
const undecodable = new DecodeError({ codec: "json", detail: "no JSON" })
const outOfRange = new ValueOutOfRange({ what: "a key", detail: "too large" })
const bug = new TypeError("a bug")
const all = [corrupt, unsupported, undecodable, outOfRange, bug]

const throwing = (error: unknown) => (): never => {
  throw error
}

describe("pure code", () => {
  it.each(
    [
      ["compute", Pure.compute, [corrupt, unsupported, outOfRange]],
      ["decode", Pure.decode, [corrupt, unsupported]],
      ["encode", Pure.encode, [outOfRange]],
      ["convert", Pure.convert, [undecodable, outOfRange]]
    ] as const
  )("%s: its errors are failures, and any other exception a defect", (_, run, failures) => {
    for (const error of all) {
      const exit = Effect.runSyncExit<never, unknown>(run(throwing(error)))
      assert.strictEqual(Exit.isFailure(exit) && Cause.squash(exit.cause), error)
      assert.strictEqual(Exit.isFailure(exit) && Cause.hasDies(exit.cause), !failures.some((each) => each === error))
    }
    assert.strictEqual(Effect.runSync<number, unknown>(run(() => 1)), 1)
  })

  it("encoded: as encode, without an effect", () => {
    assert.deepStrictEqual(Pure.encoded(() => 1), Result.succeed(1))
    assert.deepStrictEqual(Pure.encoded(throwing(outOfRange)), Result.fail(outOfRange))
    assert.throws(() => Pure.encoded(throwing(bug)), bug.message)
  })
})
