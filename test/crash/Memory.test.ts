import { assert, describe, it } from "@effect/vitest"
import { Effect, Scope } from "effect"
import * as Store from "../utils/Store.ts"
import * as Judge from "./Judge.ts"
import * as Struck from "./Struck.ts"
import * as Workload from "./Workload.ts"

// Every operation of storage that the reference workload asks for is a place where something goes wrong.
// TIDEMARK_CRASHES=all: a longer workload.

const isLong = process.env["TIDEMARK_CRASHES"] === "all"
const groups = Workload.make(isLong ? 12 : 4)
const sector = 512

const workload = (): Struck.Subject => {
  const account: Workload.Account = []
  return {
    run: Effect.fnUntraced(function*(storage, scope) {
      const client = yield* Scope.provide(Store.client(storage, Store.tiny), scope)
      yield* Workload.run(client, groups, account)
    }),
    judge: (storage) => Judge.judge(storage, Workload.allowed(groups, account))
  }
}

const strikeAll = (faultsOf: (operation: Struck.Operation, at: number) => ReadonlyArray<Struck.Fault>) =>
  Effect.map(Struck.strikeAll(workload, faultsOf), (count) => assert.isAbove(count, 20))

const everywhere = (kind: Struck.Fault["kind"]) => strikeAll((_, at) => [{ at, kind, kept: 0 }])

describe("crash enumeration in memory", { timeout: isLong ? 1_800_000 : 600_000 }, () => {
  it.live("F120, F121: the reference workload does everything that storage can do, more than once", () =>
    Effect.gen(function*() {
      const counts = new Map<string, number>()
      for (const { name } of yield* Struck.strike(workload, undefined)) counts.set(name, (counts.get(name) ?? 0) + 1)
      assert.includeMembers([...counts.keys()], [...Struck.changes, "bounds", "read", "get", "list"])
      for (const name of ["append", "truncate", "put batch", "put rollup", "delete"]) {
        assert.isAbove(counts.get(name)!, 1, name)
      }
    }))

  it.live("F119: a crash before any operation", () => everywhere("crash before"))

  it.live("F119: a crash after any operation that changes something", () =>
    strikeAll(({ name }, at) => Struck.changes.has(name) ? [{ at, kind: "crash after", kept: 0 }] : []))

  it.live("a blob of which a crash leaves any number of sectors", () =>
    strikeAll(({ bytes }, at) =>
      Array.from({ length: Math.ceil(bytes / sector) }, (_, i) => ({ at, kind: "torn", kept: i * sector }))
    ))

  it.live("any operation fails once, and did nothing", () => everywhere("unavailable"))

  it.live("any append is of unknown outcome, and was applied or was not", () =>
    strikeAll(({ name }, at) =>
      name === "append" ? (["applied", "lost"] as const).map((kind) => ({ at, kind, kept: 0 })) : []
    ))
})
