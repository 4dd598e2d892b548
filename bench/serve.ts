/**
 * The server under load: `npm run bench -- serve`, or `npm run bench -- serve seals` for one of its parts.
 *
 * `tidemark serve` in a process of its own; this process writes to it, over HTTP, and has 1,000 subscribers connected, one
 * of whom never reads. In `spread`, 10,000 updates a second go to 20 collections; in `flood` to one, of which every
 * subscriber hears everything; in `seals` 2,000 a second go to one, with a hundred seals a second, which would be a
 * hundred thousand deliveries a second if each was delivered by itself. Figures are ratios to the rate that was asked for,
 * and of the server's memory late to early in the same run. `TIDEMARK_BENCH_SCALE=0.1` makes the run shorter.
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import * as fs from "node:fs"
import * as net from "node:net"
import * as path from "node:path"
import { scale, scratch } from "./Measure.ts"
import { print } from "./Target.ts"

const seconds = Math.max(6, Math.round(60 * scale))
const subscriberCount = 1000

interface Load {
  readonly collections: number
  readonly updatesASecond: number
  readonly roundsASecond: number
}

const sleep = (millis: number) => new Promise((resolve) => setTimeout(resolve, millis))

const serve = async (directory: string) => {
  const bin = path.join(import.meta.dirname, "../src/cli/bin.ts")
  const child = spawn(process.execPath, [bin, "--dir", directory, "--json", "serve", "--port", "0"], {
    stdio: ["ignore", "pipe", "inherit"]
  })
  const [line] = await once(child.stdout, "data") as [Buffer]
  const { url } = JSON.parse(line.toString()) as { readonly url: string }
  const residentBytes = (): number =>
    Number(/^VmRSS:\s+(\d+) kB/m.exec(fs.readFileSync(`/proc/${child.pid}/status`, "utf8"))![1]) * 1024
  /** Seconds, of which the kernel counts a hundred ticks each. */
  const processorTime = (): number => {
    const [, times] = fs.readFileSync(`/proc/${child.pid}/stat`, "utf8").split(") ") as [string, string]
    const [user, system] = times.split(" ").slice(11, 13).map(Number) as [number, number]
    return (user + system) / 100
  }
  return { child, url, residentBytes, processorTime }
}

const request = async (url: string, method: string, body?: unknown): Promise<void> => {
  const response = await fetch(url, {
    method,
    headers: { "content-type": "application/json" },
    body: body === undefined ? null : JSON.stringify(body)
  })
  if (!response.ok) throw new Error(`${method} ${url}: ${response.status} ${await response.text()}`)
  await response.arrayBuffer()
}

/** A subscriber that looks at nothing but how far it was reached. */
const subscribe = (port: number, name: string) => {
  const socket = net.connect(port, "127.0.0.1")
  const subscriber = { socket, reached: 0, bytes: 0, isOpen: true }
  socket.write(`GET /collections/${name}/events HTTP/1.1\r\nHost: localhost\r\n\r\n`)
  socket.on("data", (chunk) => {
    subscriber.bytes += chunk.length
    // The last progress of a chunk is near its end.
    const id = /.*\nid: \d+-(\d+)\n/s.exec(chunk.subarray(-200).toString("latin1"))
    if (id !== null) subscriber.reached = Number(id[1])
  })
  socket.on("error", () => {})
  socket.on("close", () => void (subscriber.isOpen = false))
  return subscriber
}

const run = async ({ collections, roundsASecond, updatesASecond }: Load) => {
  const directory = scratch("serve")
  const { child, processorTime, residentBytes, url } = await serve(directory)
  const port = Number(new URL(url).port)
  const names = Array.from({ length: collections }, (_, i) => `c${i}`)
  for (const name of names) await request(`${url}/collections/${name}`, "PUT")
  const subscribers = Array.from({ length: subscriberCount }, (_, i) => subscribe(port, names[i % collections]!))
  const slow = subscribers[0]!
  slow.socket.pause()

  const rounds = seconds * roundsASecond
  const rowsOfEach = updatesASecond / roundsASecond / collections
  const memory: Array<number> = []
  const start = performance.now()
  const processorTimeBefore = processorTime()
  for (let round = 0; round < rounds; round++) {
    await Promise.all(names.map((name) =>
      request(`${url}/collections/${name}/append`, "POST", {
        updates: Array.from(
          { length: rowsOfEach },
          (_, key) => ({ key: round * rowsOfEach + key, value: "0123456789", time: round })
        ),
        expected: round,
        upper: round + 1
      })
    ))
    if (round % roundsASecond === 0) memory.push(residentBytes())
    await sleep(Math.max(0, start + (round + 1) * 1000 / roundsASecond - performance.now()))
  }
  const elapsed = (performance.now() - start) / 1000
  const reading = subscribers.slice(1)
  const behind = rounds - Math.min(...reading.map(({ reached }) => reached))
  for (let wait = 0; wait < 600 && reading.some(({ isOpen, reached }) => isOpen && reached < rounds); wait++) {
    await sleep(100)
  }
  memory.push(residentBytes())
  const perDelivered = (processorTime() - processorTimeBefore) / (rounds * rowsOfEach * reading.length / collections)

  const scraped = await (await fetch(`${url}/metrics`)).text()
  const stalled = Number(/^tidemark_http_stalled_total (\d+)$/m.exec(scraped)?.[1] ?? 0)
  const complete = reading.filter(({ reached }) => reached === rounds).length
  const late = Math.max(...memory.slice(-Math.ceil(memory.length / 3)))
  const early = Math.max(...memory.slice(0, Math.ceil(memory.length / 2)))
  const rate = rounds * rowsOfEach * collections / elapsed / updatesASecond
  const sent = subscribers.reduce((sum, { bytes }) => sum + bytes, 0)
  const isFlood = collections === 1 && roundsASecond < 10
  const where = collections === 1 ? "of one collection" : `of ${collections} collections`
  for (const { socket } of subscribers) socket.destroy()
  child.kill("SIGINT")
  await once(child, "close")
  return [
    {
      work: `updates written, ${subscriberCount} subscribers ${where}`,
      figure: `${(rate * 100).toFixed(0)} % of ${updatesASecond} a second, in ${roundsASecond} seals a second, for ${
        elapsed.toFixed(0)
      } s`,
      // Where each of them hears everything of ten thousand, it is half a gigabyte a second: then the machine decides.
      target: isFlood ? "as the machine can" : ">= 95 %",
      holds: isFlood || rate >= 0.95
    },
    {
      work: "subscribers that were reached everything",
      figure: `${complete} of ${reading.length}, ${behind} of ${rounds} seals behind at the end, ${
        (sent / 1024 / 1024 / elapsed).toFixed(0)
      } MiB a second, ${(perDelivered * 1e6).toFixed(2)} us of processor time for each update that reached one`,
      target: "all",
      holds: complete === reading.length
    },
    {
      work: "the server's memory, last third to first half",
      figure: `${(late / early).toFixed(2)} (${(early / 1024 / 1024).toFixed(0)} to ${
        (late / 1024 / 1024).toFixed(0)
      } MiB)`,
      target: "<= 1.2",
      holds: late <= early * 1.2
    },
    // With fewer events, they all fit into the buffers of its socket.
    ...(!isFlood ? [] : [{
      work: "the subscriber that never reads",
      figure: stalled === 1 ? "disconnected" : "connected",
      target: "disconnected",
      holds: stalled === 1
    }])
  ]
}

const loads: Readonly<Record<string, Load>> = {
  spread: { collections: 20, updatesASecond: 10_000, roundsASecond: 5 },
  flood: { collections: 1, updatesASecond: 10_000, roundsASecond: 5 },
  seals: { collections: 1, updatesASecond: 2_000, roundsASecond: 100 }
}
const chosen = process.argv.slice(2)
const rows = []
for (const [name, load] of Object.entries(loads)) {
  if (chosen.length === 0 || chosen.includes(name)) rows.push(...await run(load))
}
print(rows)
