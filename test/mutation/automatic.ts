// Plants bugs automatically into a room, one at a time, and runs the tests that reach each: `npm run mutants --
// src/engine`, or one module. What is known from earlier runs, and neither code nor tests have changed since, is not run
// again (`--force` does). Prints what survived, and writes the scores into `docs/evidence.md`.
import { spawnSync } from "node:child_process"
import fs from "node:fs"
import { join, relative, resolve } from "node:path"
import { type Room, roomOf, rooms } from "./Rooms.ts"
import { describe, type Report, scores, survivors, update } from "./Scores.ts"

const root = join(import.meta.dirname, "../..")
const page = join(root, "docs/evidence.md")
const options = process.argv.slice(2).filter((each) => each.startsWith("-"))
const paths = process.argv.slice(2).filter((each) => !each.startsWith("-"))
  .map((each) => relative(root, resolve(root, each)))

const isFolder = (path: string): boolean => fs.statSync(join(root, path)).isDirectory()

/** A folder means its modules, without those that are a room of their own, and not those of the folders in it. */
const globOf = (path: string): string =>
  isFolder(path)
    ? [
      `${path}/*.ts`,
      ...rooms.filter((room) => room.path.startsWith(`${path}/`) && room.path !== `${path}/`).map((room) =>
        `!${room.path}`
      )
    ].join(",")
    : path

/** Paths of one room take part in one run: what it costs to begin is the same for one module and for many. */
const mutate = (room: Room, within: ReadonlyArray<string>): Report => {
  // One file a room: rooms have different tests, and a test that is not asked counts as one that is gone.
  const kept = join(root, `.tmp/mutants/${room.path.replaceAll("/", "-")}known.json`)
  fs.mkdirSync(join(kept, ".."), { recursive: true })
  const { status } = spawnSync(
    process.execPath,
    [
      join(root, "node_modules/@stryker-mutator/core/bin/stryker.js"),
      "run",
      ".config/stryker.json",
      "--mutate",
      within.map(globOf).join(","),
      "--testFiles",
      room.tests.join(","),
      "--incrementalFile",
      relative(root, kept),
      "--concurrency",
      "1",
      ...options
    ],
    // Flushes of a real disk take most of the time of many tests, and no mutant is found by them.
    { cwd: root, stdio: "inherit", env: { ...process.env, ...fs.existsSync("/dev/shm") ? { TMPDIR: "/dev/shm" } : {} } }
  )
  if (status !== 0) throw new Error(`the mutants of ${within.join(", ")} were not judged`)
  const { files, ...rest } = JSON.parse(fs.readFileSync(kept, "utf8")) as Report
  const isWithin = (file: string): boolean =>
    roomOf(file) === room && within.some((path) => file.startsWith(isFolder(path) ? `${path}/` : path))
  return { ...rest, files: Object.fromEntries(Object.entries(files).filter(([file]) => isWithin(file))) }
}

const roomFor = (path: string): Room => {
  const room = roomOf(path)
  if (room === undefined) throw new Error(`no tests are known for ${path}; add a room to test/mutation/Rooms.ts`)
  return room
}

if (paths.length === 0) {
  console.error("Usage: npm run mutants -- src/engine [src/batch/Sort.ts ...] [--concurrency=2] [--force]")
  process.exit(2)
}

const commit = spawnSync("git", ["rev-parse", "--short", "HEAD"], { cwd: root, encoding: "utf8" }).stdout.trim()

for (const [room, within] of Map.groupBy(paths, roomFor)) {
  const report = mutate(room, within)
  for (const [file, { source }] of Object.entries(report.files)) {
    for (const mutant of survivors(file, report)) console.log(describe(file, source, mutant))
  }
  const found = scores(report, commit)
  fs.writeFileSync(
    page,
    update(fs.readFileSync(page, "utf8"), found, (module) => fs.existsSync(join(root, module)))
  )
  const count = (pick: (score: (typeof found)[number]) => number) => found.reduce((n, score) => n + pick(score), 0)
  console.log(
    `${within.join(", ")}: ${count(({ caught }) => caught)} caught, ${count(({ missed }) => missed)} missed, ${
      count(({ unreached }) => unreached)
    } not reached`
  )
}
