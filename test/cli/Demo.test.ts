import * as NodeServices from "@effect/platform-node/NodeServices"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { execFileSync } from "node:child_process"
import fs from "node:fs"
import { join } from "node:path"
import * as Git from "../../src/cli/Git.ts"
import * as Sample from "../../src/cli/Sample.ts"
import * as Store from "../../src/cli/Store.ts"
import * as MultiWriter from "../../src/client/MultiWriter.ts"
import * as PersistClient from "../../src/client/PersistClient.ts"
import * as Codec from "../../src/Codec.ts"
import { FileStorage } from "../../src/node/index.ts"
import * as Update from "../../src/Update.ts"
import { lines, output, remove, run, temporary } from "./Tool.ts"

const home = temporary()
const repo = join(home, "repo")
const dir = join(home, "store")

const texts = { key: Codec.string, value: Codec.string }

const identity = {
  GIT_AUTHOR_NAME: "a",
  GIT_AUTHOR_EMAIL: "a@example.org",
  GIT_COMMITTER_NAME: "a",
  GIT_COMMITTER_EMAIL: "a@example.org",
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_CONFIG_NOSYSTEM: "1"
}

const git = (args: ReadonlyArray<string>, input?: string | Buffer): string =>
  execFileSync("git", ["-C", repo, ...args], {
    env: { ...process.env, ...identity },
    input,
    stdio: ["pipe", "pipe", "pipe"],
    encoding: "utf8"
  }).trim()

const write = (path: string | Buffer, content: string): void => {
  const target = Buffer.concat([Buffer.from(`${repo}/`), Buffer.from(path)])
  fs.writeFileSync(target, content)
}

const commit = (subject: string): string => {
  git(["add", "-A"])
  git(["commit", "-q", "--allow-empty", "-m", subject])
  return git(["rev-parse", "HEAD"])
}

interface Report {
  readonly last: number
  readonly already: number
  readonly commits: number
  readonly updates: number
  readonly checks: ReadonlyArray<{ readonly time: number; readonly files: number; readonly differences: number }>
}

const demo = async (...args: ReadonlyArray<string>): Promise<Report> =>
  JSON.parse(await output(["demo", "--json", "--dir", dir, ...args])) as Report

const isRight = ({ checks }: Report): boolean =>
  checks.length > 0 && checks.every(({ differences }) => differences === 0)

beforeAll(() => {
  fs.mkdirSync(repo)
  git(["init", "-q", "-b", "main"])
  fs.mkdirSync(join(repo, "folder"))
  write("folder/plain", "1")
  write("new\nline and \"quotes\"", "2")
  write(`"quoted"`, "3")
  write("tab\tand space ", "4")
  write(Buffer.from([0x63, 0x61, 0x66, 0xe9]), "5")
  write("\u00e9t\u00e9", "6")
  write(":100644 100644", "7")
  fs.symlinkSync("folder/plain", join(repo, "link"))
  commit("root")
  commit("nothing at all")
  git(["update-index", "--add", "--cacheinfo", `160000,${"1".repeat(40)},module`])
  git(["commit", "-q", "-m", "a submodule"])
  git(["update-index", "--cacheinfo", `160000,${"2".repeat(40)},module`])
  git(["commit", "-q", "-m", "the submodule moves"])
  fs.mkdirSync(join(repo, "module"))
  git(["checkout", "-q", "-b", "side"])
  write("side", "8")
  git(["add", "side"])
  git(["commit", "-q", "-m", "on the side"])
  git(["checkout", "-q", "main"])
  write("folder/plain", "changed")
  git(["commit", "-q", "-am", "on main"])
  git(["merge", "-q", "--no-ff", "-m", "merge \u00fc", "side"])
  fs.chmodSync(join(repo, "folder/plain"), 0o755)
  fs.rmSync(join(repo, "link"))
  write("link", "no link any more")
  git(["commit", "-q", "-am", "modes and types"])
  git(["mv", "folder/plain", "moved"])
  git(["commit", "-q", "-m", "a move"])
  fs.mkdirSync(join(repo, "moved.d"))
  write("moved.d/moved", "a folder that sorts next to a file")
  git(["add", "moved.d"])
  git(["commit", "-q", "-m", "", "--allow-empty-message"])
  // What a repository may be configured to show must not matter.
  for (
    const setting of ["log.showRoot=false", "diff.renames=copies", "diff.ignoreSubmodules=all", "diff.relative=true"]
  ) {
    git(["config", ...setting.split("=")])
  }
})
afterAll(() => remove(home))

describe("demo", () => {
  it("agrees with git ls-tree as of every commit, whatever the names, modes and merges", async () => {
    const report = await demo("--repo", repo)
    assert.isTrue(isRight(report), JSON.stringify(report))
    assert.deepInclude(report, { last: 9, already: 0, commits: 9 } as object)
    assert.deepStrictEqual(report.checks.map(({ files }) => files), [8, 8, 9, 9, 9, 10, 10, 10, 11])

    const names = await output(["--dir", dir, "snapshot", "files", "--as-of", "1"])
    const keys = lines(names).map((line) => (JSON.parse(line) as { readonly key: string }).key)
    assert.sameMembers(keys, [
      "folder/plain",
      "new\nline and \"quotes\"",
      `"\\"quoted\\""`,
      "tab\tand space ",
      `"caf\\351"`,
      "\u00e9t\u00e9",
      ":100644 100644",
      "link"
    ])
    assert.match(await output(["--dir", dir, "get", "commits", "6"]), /"[0-9a-f]{40} merge ü"/)
    assert.match(
      await output(["--dir", dir, "history", "files", "module"]),
      /160000:1{40}.*\n.*160000:1{40}.*\n.*160000:2{40}/
    )
  })

  it("says what was there already, and goes on with what is new", async () => {
    assert.deepInclude(await demo("--repo", repo), { already: 9, commits: 0, updates: 0 } as object)
    write("more", "9")
    commit("one more")
    const report = await demo("--repo", join(repo, "moved.d"))
    assert.deepInclude(report, { last: 10, already: 9, commits: 1 } as object)
    assert.isTrue(isRight(report))
  })

  it("a commit that a crash has left unsealed is there, and is not written again", async () => {
    const store = join(home, "crashed")
    await Effect.runPromise(
      Effect.gen(function*() {
        const found = yield* Git.open(repo)
        assert(found._tag === "Some")
        const client = yield* PersistClient.PersistClient
        const files = yield* client.createOrLoad("files", texts)
        const commits = yield* client.createOrLoad("commits", texts)
        const both = yield* MultiWriter.make([files.writer, commits.writer])
        const first = yield* Stream.runCollect(Stream.take(found.history.after(0), 2))
        yield* both.appendAtomic((add) => {
          for (const [index, { changes, id }] of first.entries()) {
            add(files.writer, changes.map(({ after, path }) => Update.insert(path, after!, index + 1)))
            add(commits.writer, [Update.insert(String(index + 1), `${id} subject`, index + 1)])
          }
        })
      }).pipe(
        Effect.scoped,
        Effect.provide([NodeServices.layer, Store.writing(FileStorage.layer({ directory: store }))])
      )
    )
    const report = JSON.parse(await output(["demo", "--json", "--dir", store, "--repo", repo])) as Report
    assert.deepInclude(report, { already: 2, commits: 8 } as object)
    assert.isTrue(isRight(report))
  })

  it("prints for people: contents compared, what compaction saves, what to try next", async () => {
    const text = await output(["demo", "--dir", join(home, "printed"), "--repo", repo])
    assert.match(text, /10 commits and \d+ updates in [\d.]+ s/)
    assert.match(text, /\n10 +[0-9a-f]{12} +12 +equal\n/)
    assert.match(text, /hold the whole history/)
    assert.match(text, /snapshot files --as-of 5 /)
  })

  it("refuses a store of another history, and one whose history was rewritten", async () => {
    git(["commit", "-q", "--amend", "-m", "rewritten"])
    const rewritten = await run(["demo", "--dir", dir, "--repo", repo])
    assert.strictEqual(rewritten.code, 1)
    assert.match(rewritten.err, /^tidemark: the store holds another history: its commit 10 is .*name another --dir\n$/)
    git(["reset", "-q", "--soft", "HEAD~2"])
    assert.match((await run(["demo", "--dir", dir, "--repo", repo])).err, /has 8 commits only/)
  })

  it("uses the history that comes with it where there is none", async () => {
    const bare = join(home, "bare")
    fs.mkdirSync(bare)
    const { code, err, out } = await run(["demo", "--json", "--dir", join(home, "sample"), "--repo", bare])
    const report = JSON.parse(out) as Report
    assert.strictEqual(code, 0)
    assert.match(err, /it is no git repository.*comes with Tidemark/)
    const sample = await Effect.runPromise(Sample.open)
    assert.isAbove(sample.ids.length, 10)
    assert.deepInclude(report, { last: sample.ids.length, commits: sample.ids.length } as object)
    assert.isTrue(isRight(report))
    assert.isAbove(report.checks.length, 3)
  })

  it("reports a difference", async () => {
    const store = join(home, "wrong")
    await output(["demo", "--dir", store, "--repo", repo])
    await output(["--dir", store, "ingest", "files"], { input: `{"key":"intruder","value":"100644:0","time":9}\n` })
    commit("the ninth again")
    const { code, err } = await run(["demo", "--dir", store, "--repo", repo])
    assert.strictEqual(code, 1)
    assert.match(err, /^tidemark: 1 commit differs from git/)
  })
})
