/**
 * The first-parent history of a git repository.
 *
 * @internal
 */
import { Effect, Fiber, Stream } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import path from "node:path"
import { Failure } from "./Failure.ts"
import * as History from "./History.ts"

/** There is no history: no git, no repository, or no commit. */
export interface None {
  readonly _tag: "None"
  readonly reason: string
}

/** Only `--repo` names the directory, and the language of messages is fixed, since they are matched below. */
const environment = {
  GIT_DIR: undefined,
  GIT_WORK_TREE: undefined,
  GIT_INDEX_FILE: undefined,
  GIT_OBJECT_DIRECTORY: undefined,
  GIT_CEILING_DIRECTORIES: undefined,
  GIT_OPTIONAL_LOCKS: "0",
  LC_ALL: "C"
}

const absences: ReadonlyArray<readonly [complaint: RegExp, reason: string]> = [
  [/not a git repository/, "it is no git repository"],
  [/(unknown|bad) revision/, "it has no commits"],
  [/^cannot run git/, "there is no git to read it with"]
]

/** The output of git. It fails with the first line of git's own message. */
const output = (repo: string, args: ReadonlyArray<string>) =>
  Stream.unwrap(Effect.gen(function*() {
    const child = yield* ChildProcess.make("git", ["-C", repo, "--no-pager", ...args], {
      env: environment,
      extendEnv: true,
      stdin: "ignore"
    })
    const complaint = yield* Effect.forkScoped(Stream.mkString(Stream.decodeText(child.stderr)))
    const ended = Effect.gen(function*() {
      if ((yield* child.exitCode) === 0) return
      const said = yield* Fiber.join(complaint)
      const reason = said.split("\n").find((line) => line.startsWith("fatal: ")) ?? said.trim().split("\n")[0]!
      return yield* new Failure({ message: `git ${args[0]} failed in ${repo}: ${reason.replace(/^fatal: /, "")}` })
    })
    return Stream.concat(child.stdout, Stream.fromEffectDrain(ended))
  })).pipe(
    Stream.mapError((error) =>
      error._tag === "Failure" ? error : new Failure({ message: `cannot run git: ${error.message}` })
    )
  )

/** Changes against the first parent, whatever the repository is configured to show. */
const logCommand = [
  "-c",
  "log.showRoot=true",
  "log",
  "--first-parent",
  "-m",
  "--reverse",
  "--raw",
  "-z",
  "--no-abbrev",
  "--no-renames",
  "--no-relative",
  "--ignore-submodules=none",
  "--no-show-signature",
  "--no-color",
  "--encoding=UTF-8",
  "--format=%H %s"
]

const newline = 0x0a

export const open = Effect.fnUntraced(function*(repo: string) {
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const git = (args: ReadonlyArray<string>) =>
    Stream.provideService(output(repo, args), ChildProcessSpawner.ChildProcessSpawner, spawner)

  const listed = yield* git(["rev-list", "--first-parent", "--reverse", "HEAD", "--"]).pipe(
    (bytes) => History.pieces(bytes, newline),
    Stream.map((lines) => lines.map((line) => new TextDecoder().decode(line))),
    Stream.runCollect,
    Effect.scoped,
    Effect.result
  )
  if (listed._tag === "Failure") {
    const absent = absences.find(([pattern]) => pattern.test(listed.failure.message))
    return absent === undefined ? yield* listed.failure : { _tag: "None", reason: absent[1] } satisfies None
  }
  const ids = listed.success.flat()
  const history: History.History = {
    name: path.resolve(repo),
    ids,
    after: (count) =>
      count >= ids.length ? Stream.empty : History.parseLog(git([
        ...logCommand,
        count === 0 ? ids.at(-1)! : `${ids[count - 1]}..${ids.at(-1)}`,
        "--"
      ])),
    tree: (commit) => History.parseTree(git(["ls-tree", "-r", "-z", "--full-tree", ids[commit - 1]!]))
  }
  return { _tag: "Some", history } as const
})
