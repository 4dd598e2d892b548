/**
 * A git history as two collections: `files`, from path to `mode:blob`, and `commits`, from time to commit. The time of
 * a commit is its index in the first-parent history, counted from 1.
 *
 * A commit's changes and its id are appended in one step. The ids in the collection, sealed or not, therefore show
 * exactly which commits are stored. An ingest that resumes begins behind the last of them.
 *
 * @internal
 */
import { Clock, Effect, Stream } from "effect"
import type { CollectionReader } from "../client/CollectionReader.ts"
import * as MultiWriter from "../client/MultiWriter.ts"
import { PersistClient } from "../client/PersistClient.ts"
import * as Codec from "../Codec.ts"
import * as Update from "../Update.ts"
import { Failure } from "./Failure.ts"
import type { Commit, History } from "./History.ts"
import * as Progress from "./Progress.ts"

const texts = { key: Codec.string, value: Codec.string }

type Texts = Update.Update<string, string>

/** The most commits that are appended together, and about how many updates. Each keeps its own time. */
const maxCommits = 256
const maxUpdates = 4096

export interface Loaded {
  /** Commits that were stored before. */
  readonly already: number
  readonly commits: number
  readonly updates: number
  readonly seconds: number
}

/** Appends the missing part of the history to the store. */
export const load = Effect.fnUntraced(function*(history: History) {
  const client = yield* PersistClient
  const files = yield* client.createOrLoad("files", texts)
  const commits = yield* client.createOrLoad("commits", texts)
  const both = yield* MultiWriter.make([files.writer, commits.writer])
  const already = yield* recorded(history, commits.reader)
  const { upper } = yield* client.description("files")
  if (upper > already + 1 || (already === 0 && (yield* hasRows(files.reader)))) {
    return yield* new Failure({ message: `the store has a collection "files" of another origin; name another --dir` })
  }
  if (upper <= already) yield* both.seal(already + 1)

  const progress = yield* Progress.make({ label: "reading commits", total: history.ids.length })
  progress.set(already)
  const startedAt = yield* Clock.currentTimeMillis
  let time = already
  let updates = 0
  let pending: Array<{ readonly changes: ReadonlyArray<Texts>; readonly commit: Texts }> = []
  let pendingUpdates = 0

  const flush = Effect.gen(function*() {
    if (pending.length === 0) return
    yield* both.appendAtomic((add) => {
      add(files.writer, pending.flatMap(({ changes }) => changes))
      add(commits.writer, pending.map(({ commit }) => commit))
    })
    yield* both.seal(time + 1)
    updates += pendingUpdates
    pending = []
    pendingUpdates = 0
    progress.set(time)
  })
  const take = (commit: Commit) => {
    const changes = updatesOf(commit, ++time)
    pending.push({ changes, commit: Update.insert(String(time), `${commit.id} ${commit.subject}`, time) })
    pendingUpdates += changes.length
    return pending.length >= maxCommits || pendingUpdates >= maxUpdates ? flush : Effect.void
  }
  yield* Stream.runForEach(history.after(already), take)
  yield* flush

  if (time !== history.ids.length) {
    return yield* new Failure({
      message: `git listed ${history.ids.length} commits, but printed ${time}: run it again`
    })
  }
  const seconds = ((yield* Clock.currentTimeMillis) - startedAt) / 1000
  return { read: files.reader, loaded: { already, commits: time - already, updates, seconds } satisfies Loaded }
})

const updatesOf = ({ changes }: Commit, time: number): ReadonlyArray<Texts> =>
  changes.flatMap(({ after, before, path }) => [
    ...(before === undefined ? [] : [Update.retract(path, before, time)]),
    ...(after === undefined ? [] : [Update.insert(path, after, time)])
  ])

const hasRows = (read: CollectionReader<string, string>) =>
  Effect.scoped(
    Effect.flatMap(
      read.snapshot(),
      ({ contents }) => Effect.map(Stream.runHead(contents), (row) => row._tag === "Some")
    )
  )

/** How many commits of the history are stored. Fails if the stored ones do not belong to the history. */
const recorded = Effect.fnUntraced(function*(history: History, read: CollectionReader<string, string>) {
  let last = 0
  let id = ""
  yield* Effect.scoped(
    Effect.flatMap(
      read.snapshot(),
      ({ contents }) =>
        Stream.runForEach(contents, ([time, commit]) =>
          Effect.sync(() => {
            if (Number(time) <= last) return
            last = Number(time)
            id = commit.slice(0, commit.indexOf(" "))
          }))
    )
  )
  if (last === 0 || history.ids[last - 1] === id) return last
  return yield* new Failure({
    message: `the store holds another history: its commit ${last} is ${id.slice(0, 12)}, but ${history.name} ${
      history.ids.length < last
        ? `has ${history.ids.length} commits only`
        : `has ${history.ids[last - 1]!.slice(0, 12)} there`
    }; it is another repository, or its history was rewritten: name another --dir`
  })
})
