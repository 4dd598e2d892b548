/**
 * `tidemark demo`: the main use case on real input. A git history becomes a collection, and its contents as of sampled
 * commits are compared with the output of git.
 *
 * @internal
 */
import { Effect, Stream } from "effect"
import { Command, Flag } from "effect/cli"
import type { CollectionReader } from "../../client/CollectionReader.ts"
import { PersistClient } from "../../client/PersistClient.ts"
import { Failure } from "../Failure.ts"
import * as Footprint from "../Footprint.ts"
import * as Git from "../Git.ts"
import * as GitCollections from "../GitCollections.ts"
import type { History } from "../History.ts"
import * as Output from "../Output.ts"
import { common } from "../Root.ts"
import * as Sample from "../Sample.ts"
import * as Store from "../Store.ts"

const maxSamples = 10

interface Check {
  readonly time: number
  readonly commit: string
  readonly files: number
  /** Paths on which the collection and git differ. */
  readonly differences: number
}

/** Up to ten of the commits that can be checked: the first, the last, and some between them at equal distances. */
const samples = ({ ids, listed }: History): ReadonlyArray<number> => {
  const candidates = listed ?? Array.from(ids, (_, index) => index + 1)
  const count = Math.min(maxSamples, candidates.length)
  const indexes = Array.from(
    { length: count },
    (_, i) => count === 1 ? candidates.length - 1 : Math.round(i * (candidates.length - 1) / (count - 1))
  )
  return indexes.map((index) => candidates[index]!)
}

const check = Effect.fnUntraced(function*(history: History, read: CollectionReader<string, string>, time: number) {
  const expected = new Map<string, string>()
  yield* Stream.runForEach(history.tree(time), ([path, content]) => Effect.sync(() => void expected.set(path, content)))
  const files = expected.size
  let differences = 0
  const snapshot = yield* read.snapshot({ asOf: time })
  yield* Stream.runForEach(snapshot.contents, ([path, content, multiplicity]) =>
    Effect.sync(() => {
      if (multiplicity !== 1 || expected.get(path) !== content) differences++
      else expected.delete(path)
    }))
  const commit = history.ids[time - 1]!
  return { time, commit, files, differences: Math.max(differences, expected.size) } satisfies Check
}, Effect.scoped)

/** Compacts without discarding history, and prints how much discarding all but the last commit would save. */
const compacted = Effect.gen(function*() {
  const before = yield* Footprint.read("files")
  yield* PersistClient.use((client) => client.compact("files"))
  const { collection, state } = yield* Footprint.read("files")
  return {
    before: Footprint.of(before.collection),
    after: Footprint.of(collection),
    latest: yield* Footprint.preview(state, collection, collection.upper - 1)
  }
})

type Sizes = Effect.Success<typeof compacted>

const sizesText = ({ after, before, latest }: Sizes): string => {
  const whole = `${Footprint.format(after)} hold the whole history`
  const gain = after.bytes < before.bytes
    ? `Compaction: ${Output.bytes(before.bytes)} became ${Output.bytes(after.bytes)}, ${
      Footprint.saving(before, after)
    }: ${whole}.`
    : `${whole}.`
  return `${gain}\nThe last commit alone would be ${Footprint.format(latest)}, ${Footprint.saving(after, latest)}.`
}

/** A path for the suggested commands: a README if there is one. */
const examplePath = Effect.fnUntraced(function*(read: CollectionReader<string, string>, time: number) {
  const { contents } = yield* read.snapshot({ asOf: time })
  return yield* Stream.runFold(
    contents,
    () => "PATH",
    (chosen, [path]) => chosen === "PATH" || (/^readme/i.test(path) && !/^readme/i.test(chosen)) ? path : chosen
  )
}, Effect.scoped)

const historyOf = Effect.fnUntraced(function*(repo: string) {
  const found = yield* Git.open(repo)
  if (found._tag === "Some") return found.history
  yield* Output.note(`no git history in ${repo} (${found.reason}): this is the small one that comes with Tidemark`)
  return yield* Sample.open
})

const quoted = (text: string): string => /^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`

/** How the tool was started, so that the suggested commands can be copied. */
const invocation = (flags: ReadonlyArray<string>): string => {
  const script = process.env.npm_lifecycle_event
  const tool = script === undefined ? "tidemark" : script === "npx" ? "npx tidemark" : "npm run -s tidemark --"
  return [tool, ...flags.map(quoted)].join(" ")
}

const nextCommands = (flags: ReadonlyArray<string>, last: number, path: string): string => {
  const middle = Math.max(1, Math.floor(last / 2))
  return Output.table([
    [`snapshot files --as-of ${middle}`, `every file as of commit ${middle}`],
    [`history files ${quoted(path)}`, "the versions of one file"],
    [`diff files ${middle} ${last}`, "what changed between two commits"],
    [`get commits ${middle}`, "which commit that is"],
    [`compact files --since ${last}`, "keep the last commit only"],
    ["inspect", "what is stored, and why"]
  ].map(([command, meaning]) => [`  ${invocation(flags)} ${command}`, `# ${meaning}`]))
}

const rate = (count: number, seconds: number): string => Output.count(Math.round(count / Math.max(seconds, 0.001)))

const loadedText = ({ already, commits, seconds, updates }: GitCollections.Loaded): string => {
  const before = `${Output.counted(already, "commit")} had been there already`
  if (commits === 0) return `${before}; nothing new`
  const work =
    `${Output.counted(commits, "commit")} and ${Output.counted(updates, "update")} in ${seconds.toFixed(2)} s, ` +
    `each durable and sealed: ${rate(updates, seconds)} updates/s, ${rate(commits, seconds)} commits/s`
  return already === 0 ? work : `${before}; ${work}`
}

const checkRow = ({ commit, differences, files, time }: Check): ReadonlyArray<string> => [
  String(time),
  commit.slice(0, 12),
  Output.count(files),
  differences === 0 ? "equal" : `${Output.counted(differences, "difference")}!`
]

interface Report {
  readonly history: History
  readonly loaded: GitCollections.Loaded
  readonly checks: ReadonlyArray<Check>
  readonly sizes: Sizes
}

const reportText = ({ checks, history, loaded, sizes }: Report, next: string): string =>
  `${history.name}: ${loadedText(loaded)}

The files as of ${Output.counted(checks.length, "commit")}, compared with git ls-tree:

${Output.table([["TIME", "COMMIT", "FILES", ""], ...checks.map(checkRow)])}

${sizesText(sizes)}

Try next:

${next}`

const run = Effect.fnUntraced(function*(repo: string, { flags, json, storage }: Effect.Success<typeof common>) {
  const history = yield* historyOf(repo)
  const last = history.ids.length
  yield* Effect.gen(function*() {
    const { loaded, read } = yield* GitCollections.load(history)
    const checks = yield* Effect.forEach(samples(history), (time) => check(history, read, time))
    const sizes = yield* compacted
    yield* json
      ? Output.json({ history: history.name, last, ...loaded, checks, sizes })
      : Output.line(
        reportText({ history, loaded, checks, sizes }, nextCommands(flags, last, yield* examplePath(read, last)))
      )
    const wrong = checks.filter(({ differences }) => differences > 0).length
    if (wrong === 0) return
    const differ = wrong === 1 ? "1 commit differs" : `${wrong} commits differ`
    return yield* new Failure({ message: `${differ} from git: run tidemark verify, or begin in another store` })
  }).pipe(Effect.scoped, Effect.provide(Store.writing(storage)))
})

export const demo = Command.make(
  "demo",
  {
    repo: Flag.Directory("repo", { mustExist: true }).pipe(
      Flag.withDescription("A git repository (default: the present directory)"),
      Flag.withDefault(".")
    )
  },
  Effect.fn(function*({ repo }) {
    yield* run(repo, yield* common)
  })
).pipe(
  Command.withDescription(
    "Turn a git history into a collection: the key is a path, the value mode:blob, the time a commit's place in the " +
      "first-parent history. Then travel in time, and compare with git. Run again, it goes on where it was. Without a git " +
      "history it uses a small one that comes with Tidemark."
  ),
  Command.withShortDescription("Turn a git history into a collection, and travel in time"),
  Command.withExamples([
    { command: "tidemark demo", description: "The repository of the present directory" },
    {
      command: "tidemark demo --repo ../linux --dir ./linux.tidemark",
      description: "Another one, in a store of its own"
    }
  ])
)
