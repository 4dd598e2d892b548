/**
 * The history that the tool includes, for use without a git repository: the output of git for a real one.
 *
 * @internal
 */
import { Effect, Stream } from "effect"
import fs from "node:fs"
import { gunzipSync } from "node:zlib"
import { Failure } from "./Failure.ts"
import * as History from "./History.ts"

const directory = new URL("../../docs/sample/", import.meta.url)

const read = (name: string): Stream.Stream<Uint8Array, Failure> =>
  Stream.fromEffect(Effect.try({
    try: (): Uint8Array => gunzipSync(fs.readFileSync(new URL(name, directory))),
    catch: (error) => new Failure({ message: `cannot read the sample history: ${String(error)}` })
  }))

const treeName = /^tree-(\d+)\.gz$/

export const open = Effect.gen(function*() {
  const log = History.parseLog(read("log.gz"))
  const names = yield* Effect.try({
    try: () => fs.readdirSync(directory),
    catch: (error) => new Failure({ message: `the sample history is not there: ${String(error)}` })
  })
  const history: History.History = {
    name: "the sample history",
    ids: yield* Stream.runCollect(Stream.map(log, ({ id }) => id)),
    listed: names.flatMap((name) => treeName.exec(name)?.slice(1).map(Number) ?? []).toSorted((a, b) => a - b),
    after: (count) => Stream.drop(log, count),
    tree: (commit) => History.parseTree(read(`tree-${commit}.gz`))
  }
  return history
})
