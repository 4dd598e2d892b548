/** The packages that only the benchmarks need: `bench/package.json` has them. */
import { spawnSync } from "node:child_process"
import { existsSync } from "node:fs"
import { join } from "node:path"

const bench = join(import.meta.dirname, "..")

/** Installs the peers the first time. Ends the process if that fails. */
export const installPeers = (): void => {
  if (existsSync(join(bench, "node_modules"))) return
  console.error("installing the peers: npm ci --prefix bench")
  const { status } = spawnSync("npm", ["ci", "--prefix", bench], { stdio: "inherit" })
  if (status !== 0) process.exit(1)
}
