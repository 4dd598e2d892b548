import { afterAll, assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { server } from "../postgres/Server.ts"
import { ceph, inProcess } from "../s3/Endpoints.ts"
import * as Chaos from "./Chaos.ts"

// The short form of `npm run chaos`, which see.

const postgres = await server()
afterAll(() => postgres?.remove())

describe.skipIf(postgres === undefined)("three processes on Postgres and a bucket", () => {
  it.live(
    "break no promise, whatever happens to them and to what they work with",
    () =>
      Effect.gen(function*() {
        const endpoint = ceph ?? (yield* inProcess.endpoint)
        const report = yield* Chaos.run({ seed: 1, seconds: 12, postgres: postgres!, endpoint })
        assert.isAbove(report.writes.ok, 0)
        assert.isAbove(report.reads, 0)
        assert.isAbove(Object.values(report.faults).reduce((sum, count) => sum + count), 2)
      }),
    240_000
  )

  it.live(
    "fail if they get too little done",
    () =>
      Effect.gen(function*() {
        const endpoint = ceph ?? (yield* inProcess.endpoint)
        const options = { seed: 1, seconds: 3, leastPerMinute: 1e6, postgres: postgres!, endpoint }
        const found = yield* Effect.flip(Chaos.run(options))
        assert.match(found.message, /only \d+ commands were acknowledged in 3 s of faults/)
      }),
    240_000
  )
})
