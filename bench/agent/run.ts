/**
 * One store at the agent's table, or compacting it afterwards, each in a process of its own. Sends its figures to its parent.
 */
import * as fs from "node:fs"
import { monitorEventLoopDelay } from "node:perf_hooks"
import { setTimeout } from "node:timers/promises"
import { sizeOf } from "../Measure.ts"
import * as Events from "./Events.ts"
import { type Name, opener } from "./Stores.ts"

export interface Figures {
  readonly given: number
  readonly live: number
  readonly seconds: number
  readonly cpu: number
  readonly written: number
  readonly most: number
  readonly rest: number
  readonly end: number
  readonly compacted: number
  readonly memory: number
  readonly hold: number
}

/**
 * Bytes that this process, with all its threads, has given to write calls. What the kernel says that it sent to the disk counts
 * pages by the dozen where the file system keeps them so.
 */
const writtenBytes = (): number => {
  const line = fs.readFileSync("/proc/self/io", "utf8").split("\n").find((each) => each.startsWith("wchar"))
  return Number(line!.split(" ")[1])
}

const cpuSeconds = (): number => {
  const { system, user } = process.cpuUsage()
  return (system + user) / 1e6
}

/** Between two looks at the disk. */
const lookEvery = 50

const write = async (name: Name, directory: string, scale: number): Promise<Figures> => {
  const store = await (await opener(name))(directory)
  let most = 0
  const look = (): number => {
    const size = sizeOf(directory)
    most = Math.max(most, size)
    return size
  }
  const delay = monitorEventLoopDelay({ resolution: 1 })
  const before = { cpu: cpuSeconds(), written: writtenBytes(), at: performance.now() }
  delay.enable()
  const steps = Events.steps(scale)
  let given = 0
  let count = 0
  let next = steps.next()
  for (; next.done !== true; next = steps.next()) {
    for (const { after, key } of next.value) given += key.length + after.length
    await store.commit(next.value)
    if (++count % lookEvery === 0) look()
  }
  const seconds = (performance.now() - before.at) / 1000
  for (let i = 0; i < 50; i++) {
    look()
    await setTimeout(100)
  }
  delay.disable()
  const rest = look()
  const cpu = cpuSeconds() - before.cpu
  const written = writtenBytes() - before.written
  const memory = process.resourceUsage().maxRSS * 1024
  await store.close()
  const end = sizeOf(directory)
  const live = next.value.bytes
  return { given, live, seconds, cpu, written, most, rest, end, compacted: 0, memory, hold: delay.max / 1e6 }
}

const compact = async (name: Name, directory: string): Promise<number> => {
  const store = await (await opener(name))(directory)
  await store.compact()
  await store.close()
  return sizeOf(directory)
}

const [what, name, directory, scale] = process.argv.slice(2) as ["write" | "compact", Name, string, string]
const figures = what === "write" ? await write(name, directory, Number(scale)) : await compact(name, directory)
process.send!(figures)
process.disconnect()
