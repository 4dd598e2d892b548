/**
 * Nobody loses a factor unseen: `npm run bench -- guard [REVISION]` compares the sources as they are with those of a revision,
 * the last commit if none is named. Both run in turn, each in processes of its own, again and again until it is sure
 * for each cost whether it usually is above the limit; then it ends with 0, or with 1 where something has become slower.
 */
import { execFileSync } from "node:child_process"
import fs from "node:fs"
import { join } from "node:path"

const revision = process.argv[2] ?? "HEAD"
const root = join(import.meta.dirname, "..")
const base = join(root, `.tmp/guard-${process.pid}`)

/** More than this many times the cost of the revision is slower. */
const limit = 1.25
/** The chance of a wrong verdict about a cost that is exactly at the limit. */
const doubt = 0.01
const maxRounds = 40

/** The chance that at least `k` of `n` tosses show heads. */
const tail = (n: number, k: number): number => {
  let term = 0.5 ** n
  let sum = 0
  for (let i = 0; i <= n; i++) {
    if (i >= k) sum += term
    term *= (n - i) / (i + 1)
  }
  return sum
}

const measure = (at: string): Readonly<Record<string, number>> =>
  JSON.parse(
    execFileSync(process.execPath, ["--conditions=tidemark-source", join(root, "bench/Costs.ts"), at], {
      encoding: "utf8"
    })
  ) as Record<string, number>

const ratios = new Map<string, Array<number>>()

/** Whether a cost is above the limit, once that is sure. */
const verdict = (of: ReadonlyArray<number>): boolean | undefined => {
  const above = of.filter((ratio) => ratio > limit).length
  if (tail(of.length, above) < doubt) return true
  return tail(of.length, of.length - above) < doubt ? false : undefined
}

const median = (of: ReadonlyArray<number>): number => of.toSorted((a, b) => a - b)[of.length >> 1]!

fs.mkdirSync(base, { recursive: true })
try {
  const tree = execFileSync("git", ["archive", revision, "src", "package.json"], { cwd: root, maxBuffer: 2 ** 28 })
  execFileSync("tar", ["-x", "-C", base], { input: tree })
  for (let round = 0; round < maxRounds; round++) {
    // Who comes first changes, so that what one leaves behind for the other does not count.
    const [first, second] = round % 2 === 0 ? [measure(base), measure(root)] : [measure(root), measure(base)]
    const [before, after] = round % 2 === 0 ? [first, second] : [second, first]
    for (const [name, cost] of Object.entries(after)) {
      ratios.set(name, [...ratios.get(name) ?? [], cost / before[name]!])
    }
    if ([...ratios.values()].every((each) => verdict(each) !== undefined)) break
  }
} finally {
  fs.rmSync(base, { recursive: true, force: true })
}

for (const [name, found] of ratios) {
  const isSlower = verdict(found)
  const word = isSlower === undefined ? "not sure" : isSlower ? "SLOWER" : "ok"
  console.log(`${word}: ${name}: ${median(found).toFixed(2)} times that of ${revision}, in ${found.length} rounds`)
  if (isSlower === true) process.exitCode = 1
}
