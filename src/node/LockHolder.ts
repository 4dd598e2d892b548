/**
 * The holder of a lock: what the lock file says of it, and whether it is alive.
 *
 * The id of a process is meaningful only in its pid namespace, and only until its machine boots again. A process that
 * shares both with the holder looks it up in the process table, whatever the names of their hosts. Any other process
 * relies on the holder's heartbeats alone: see `Lease`.
 *
 * @internal
 */
import { Context } from "effect"
import fs from "node:fs"
import { hostname } from "node:os"

/** Where a process runs. */
export interface Machine {
  readonly host: string
  /** Empty if the platform does not provide it; so are the fields below. */
  readonly bootId: string
  readonly pidNamespace: string
}

export interface LockHolder extends Machine {
  readonly pid: number
  /** Distinguishes a process from a later one with its id. */
  readonly startTime: string
  /** Distinguishes the openers of one process. */
  readonly nonce: string
  /**
   * How long its heartbeats may be missing before the lock may be taken over. None in locks of versions without
   * heartbeats.
   */
  readonly leaseMillis: number | undefined
}

/** The machine of this process. */
export const Machine: Context.Reference<Machine> = Context.Reference<Machine>("tidemark/node/Machine", {
  defaultValue: () => ({
    host: hostname(),
    bootId: orEmpty(() => fs.readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim()),
    pidNamespace: orEmpty(() => fs.readlinkSync("/proc/self/ns/pid"))
  })
})

const orEmpty = (read: () => string): string => {
  try {
    return read()
  } catch {
    return ""
  }
}

/** The nonces of the openers in this process that own a lock. */
export const holding = new Set<string>()

/** This process as the holder of a lock. */
export const self = (machine: Machine, nonce: string, leaseMillis: number): LockHolder => ({
  ...machine,
  pid: process.pid,
  startTime: processState(process.pid)?.startTime ?? "",
  nonce,
  leaseMillis
})

export const encode = (holder: LockHolder): Uint8Array => new TextEncoder().encode(JSON.stringify(holder))

/** None if the bytes name no holder. */
export const decode = (bytes: Uint8Array): LockHolder | undefined => {
  try {
    const { leaseMillis, pid, ...texts }: Record<string, unknown> = JSON.parse(new TextDecoder().decode(bytes))
    const text = (name: string): string => typeof texts[name] === "string" ? texts[name] : ""
    if (typeof pid !== "number" || typeof texts["host"] !== "string") return undefined
    return {
      pid,
      host: texts["host"],
      bootId: text("bootId"),
      pidNamespace: text("pidNamespace"),
      startTime: text("startTime"),
      nonce: text("nonce"),
      leaseMillis: typeof leaseMillis === "number" ? leaseMillis : undefined
    }
  } catch {
    return undefined
  }
}

export type Liveness = "alive" | "dead" | "unknown"

/** What a process on `machine` can determine about the holder at once. */
export const liveness = (holder: LockHolder, machine: Machine): Liveness => {
  if (!sharesProcesses(holder, machine)) return "unknown"
  const { nonce, pid } = holder
  return isRunning(holder) && (pid !== process.pid || holding.has(nonce)) ? "alive" : "dead"
}

const isRunning = ({ pid, startTime }: LockHolder): boolean => {
  const state = processState(pid)
  if (state === undefined) return exists(pid)
  // A lock that was made while `/proc` could not be read, as with too many open files, lacks the start time of its
  // holder.
  return !state.isDead && (startTime === "" || startTime === state.startTime)
}

/** Where both have only the name of their host, as on platforms without `/proc`, the name decides. */
const sharesProcesses = (holder: LockHolder, machine: Machine): boolean =>
  holder.bootId === "" && (machine.bootId === "" || holder.leaseMillis === undefined)
    ? holder.host === machine.host
    : holder.bootId === machine.bootId && holder.pidNamespace === machine.pidNamespace && holder.pidNamespace !== ""

const exists = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM"
  }
}

/** From `/proc`, if there is one. A process that was killed but not waited for is dead. */
const processState = (pid: number): { readonly startTime: string; readonly isDead: boolean } | undefined => {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, "latin1")
    // The second field, the command, may contain anything, also parentheses.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
    return { startTime: fields[19] ?? "", isDead: fields[0] === "Z" || fields[0] === "X" }
  } catch {
    return undefined
  }
}
