import { assert, describe, it } from "@effect/vitest"
import { Context, Duration, Effect, Layer } from "effect"
import fs from "node:fs"
import { join } from "node:path"
import * as Resilience from "../../src/runtime/Resilience.ts"
import { Blob } from "../../src/storage/Blob.ts"
import { append, directory, layerOf, openLog } from "./Temporary.ts"

/** Every file that is opened meanwhile is refused with this code. */
const refusing = <A, E, R>(code: string, effect: Effect.Effect<A, E, R>) =>
  Effect.acquireUseRelease(
    Effect.sync(() => {
      const { open } = fs
      const refuse = (_path: string, _flags: number, _mode: number, done: (error: Error) => void) =>
        done(Object.assign(new Error(`${code}: injected`), { code }))
      Object.assign(fs, { open: refuse })
      return open
    }),
    () => effect,
    (open) => Effect.sync(() => Object.assign(fs, { open }))
  )

describe.each([
  ["EACCES", "the right to read and write"],
  ["EPERM", "owner"],
  ["EROFS", "mounted read-only"]
])("%s", (code, advice) => {
  it.live("is no hiccup: the error says what to mend, and nothing is tried again", () =>
    Effect.gen(function*() {
      const path = join(yield* directory, "store")
      yield* append(yield* (yield* openLog(path)).acquire, 0, 1)
      const denied = yield* refusing(code, Effect.flip((yield* openLog(path)).acquire))
      assert.deepInclude(denied, { _tag: "AccessDenied", location: path } as object)
      assert.include(denied.message, advice)

      const blob = Context.get(yield* Layer.build(layerOf(path)), Blob)
      yield* blob.put("key", new Uint8Array(1))
      const circuit = yield* Resilience.make(Context.empty(), {
        retry: Resilience.defaultSchedule,
        timeout: Duration.minutes(1)
      })
      let tries = 0
      const get = Effect.suspend(() => {
        tries++
        return blob.get("key")
      })
      assert.strictEqual((yield* refusing(code, Effect.flip(circuit.run("reading a blob", get))))._tag, "AccessDenied")
      assert.strictEqual(tries, 1)
    }))
})
