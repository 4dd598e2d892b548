/**
 * A real S3 implementation for the tests, where `TIDEMARK_S3=ceph` asks for it: Debian's Ceph gateway, which runs as long as
 * tests use it and three minutes more, so that the next run finds it there. It is installed where that is possible: as root,
 * with apt. One that does not start fails the run.
 */
import { spawnSync } from "node:child_process"
import fs from "node:fs"
import net from "node:net"
import { tmpdir } from "node:os"
import { basename, join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { createBucket } from "./Buckets.ts"

/** Names the directory of the gateway that is up, whose name is its port. */
const pointer = join(tmpdir(), "tidemark-gateway")
const lock = `${pointer}.lock`
const packages = ["radosgw", "ceph-mon", "ceph-osd", "ceph-mgr"]

/** A lease is good for three minutes. */
const renewal = 30_000
const bootTries = 2

/** Its address, or why there is none. */
export type Gateway = { readonly endpoint: string } | { readonly missing: string }

const run = (command: string, ...args: ReadonlyArray<string>): boolean =>
  spawnSync(command, args, { stdio: "ignore", timeout: 300_000 }).status === 0

const install = (): string | undefined => {
  if (run("radosgw", "--version")) return undefined
  if (!run("apt-get", "--version")) return "it is not installed, and there is no apt to install it with"
  if (process.getuid?.() !== 0) return "it is not installed, and only root could install it"
  const attempt = () => run("apt-get", "install", "-y", "--no-install-recommends", ...packages)
  return attempt() || (run("apt-get", "update") && attempt())
    ? undefined
    : `apt could not install ${packages.join(" ")}`
}

const answers = (port: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = net.connect(Number(port), "127.0.0.1", () => {
      socket.destroy()
      resolve(true)
    })
    socket.on("error", () => resolve(false))
  })

const endpointOf = (directory: string): string => `http://127.0.0.1:${basename(directory)}`

const kept = new Set<string>()

/** Renews the lease for as long as this process lives. */
const keep = (directory: string): void => {
  const renew = () => {
    if (fs.existsSync(directory)) fs.writeFileSync(join(directory, "lease"), "")
  }
  renew()
  if (!kept.has(directory)) setInterval(renew, renewal).unref()
  kept.add(directory)
}

const running = async (): Promise<string | undefined> => {
  if (!fs.existsSync(pointer)) return undefined
  const directory = fs.readFileSync(pointer, "utf8")
  if (!fs.existsSync(directory) || !(await answers(basename(directory)))) return undefined
  keep(directory)
  return endpointOf(directory)
}

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = net.createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as net.AddressInfo
      server.close(() => resolve(port))
    })
  })

const boot = async (): Promise<Gateway> => {
  const missing = install()
  if (missing !== undefined) return { missing }
  for (let tries = 1;; tries++) {
    const [port, monitor] = [await freePort(), await freePort()]
    const directory = join(fs.mkdtempSync(`${pointer}-`), String(port))
    if (run(join(import.meta.dirname, "gateway.sh"), directory, String(port), String(monitor))) {
      fs.writeFileSync(pointer, directory)
      keep(directory)
      return { endpoint: endpointOf(directory) }
    }
    // Another process may have taken a port, or the machine was too busy for the daemons' own patience.
    if (tries === bootTries) return { missing: `it did not start; see ${directory}` }
  }
}

/** One test file boots it; others that want it at the same time wait. */
const turn = (): boolean => {
  try {
    fs.mkdirSync(lock)
    return true
  } catch {
    const age = Date.now() - (fs.statSync(lock, { throwIfNoEntry: false })?.mtimeMs ?? Date.now())
    if (age > 400_000) fs.rmSync(lock, { recursive: true, force: true })
    return false
  }
}

const find = async (): Promise<Gateway> => {
  for (let tries = 0; tries < 800; tries++) {
    const endpoint = await running()
    if (endpoint !== undefined) return { endpoint }
    if (turn()) {
      try {
        const another = await running()
        return another === undefined ? await boot() : { endpoint: another }
      } finally {
        fs.rmdirSync(lock)
      }
    }
    await sleep(500)
  }
  return { missing: "it did not start in time" }
}

/** Its address, with a bucket, where it is asked for. For the top of a test file. */
export const gateway = async (): Promise<string | undefined> => {
  const asked = process.env["TIDEMARK_S3"]
  if (asked === undefined || asked === "") return undefined
  if (asked !== "ceph") throw new Error(`TIDEMARK_S3 is ${asked}, but the only other store that tests know is ceph`)
  const found = await find()
  if ("missing" in found) throw new Error(`TIDEMARK_S3=ceph asks for a Ceph gateway, but ${found.missing}`)
  await createBucket(found.endpoint)
  return found.endpoint
}
