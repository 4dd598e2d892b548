import { afterAll, afterEach, assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { once } from "node:events"
import fs from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { server } from "../postgres/Server.ts"
import { open } from "../postgres/Stores.ts"
import * as Store from "../utils/Store.ts"
import * as Tool from "./Tool.ts"

describe("serve", () => {
  const directory = Tool.temporary()
  const running: Array<ReturnType<typeof Tool.start>> = []

  afterEach(async () => {
    for (const { child, ended } of running.splice(0)) {
      child.kill("SIGINT")
      await ended
    }
  })

  /** Starts it on a free port and waits until it says where. */
  const serve = async (args: ReadonlyArray<string> = [], env: Readonly<Record<string, string>> = {}) => {
    const tool = Tool.start(["--dir", directory, "--json", "serve", "--port", "0", ...args], { env })
    running.push(tool)
    while (!tool.chunks.out.includes("\n")) await Promise.race([once(tool.child.stdout, "data"), tool.ended])
    const [{ url }] = Tool.values(tool.chunks.out) as [{ readonly url: string }]
    return { ...tool, url }
  }

  it("serves a store until it is interrupted, and gives it up then", { timeout: 300_000 }, async () => {
    const { child, ended, url } = await serve()
    assert.match(url, /^http:\/\/127\.0\.0\.1:\d+$/)
    assert.strictEqual((await fetch(`${url}/collections/orders`, { method: "PUT" })).status, 200)
    const reader = await serve(["--read-only"])
    assert.strictEqual((await fetch(`${reader.url}/collections/orders`)).status, 200)
    assert.strictEqual((await fetch(`${reader.url}/collections/more`, { method: "PUT" })).status, 404)
    const seal = { method: "POST", headers: { "content-type": "application/json" }, body: `{"upper":1}` }
    assert.strictEqual((await fetch(`${reader.url}/collections/orders/seal`, seal)).status, 403)
    const subscribed = await fetch(`${url}/collections/orders/events`)
    child.kill("SIGINT")
    assert.strictEqual((await ended).code, 130)
    await subscribed.text().catch(() => "disconnected")
    assert.deepInclude(
      await Tool.run(["--dir", directory, "seal", "orders", "1"]),
      { code: 0 },
      "no process has the store"
    )
  })

  it(
    "stops cleanly when it is terminated, with a subscriber at it, and that is a success",
    { timeout: 300_000 },
    async () => {
      const { child, ended, url } = await serve()
      await fetch(`${url}/collections/stopped`, { method: "PUT" })
      const subscribed = await fetch(`${url}/collections/stopped/events`)
      child.kill("SIGTERM")
      assert.deepInclude(await ended, { code: 0, err: "" })
      await subscribed.text().catch(() => "disconnected")
      const [lock] = fs.readdirSync(join(directory, "lock"))
      assert.strictEqual(fs.statSync(join(directory, "lock", lock!)).size, 0, "no process has the store")
    }
  )

  it("answers every request from the first connection on", { timeout: 300_000 }, async () => {
    const probe = createServer().listen(0, "127.0.0.1")
    await once(probe, "listening")
    const { port } = probe.address() as AddressInfo
    await new Promise((resolve) => probe.close(resolve))
    const tool = Tool.start(["--dir", directory, "serve", "--port", String(port)])
    running.push(tool)
    const url = `http://127.0.0.1:${port}/collections`
    for (let status = 0; status !== 200;) {
      const answer = await fetch(url).catch(() => undefined)
      if (answer === undefined) continue
      status = answer.status
      if (status !== 200) assert.deepStrictEqual([status, answer.headers.get("retry-after")], [503, "1"])
    }
  })

  it("gives the recordings of a directory, and nothing outside of it", { timeout: 300_000 }, async () => {
    const recordings = Tool.temporary()
    fs.mkdirSync(join(recordings, "in"))
    fs.writeFileSync(join(recordings, "outside.json"), "secret")
    fs.writeFileSync(join(recordings, "in", "failed.json"), `{"tidemarkHistory":1}`)
    const { url } = await serve(["--recordings", join(recordings, "in")])
    const ask = async (name: string) => {
      const response = await fetch(`${url}/recordings/${name}`)
      return [response.status, response.ok ? await response.text() : ""]
    }
    assert.deepStrictEqual(await ask("failed.json"), [200, `{"tidemarkHistory":1}`])
    assert.deepStrictEqual(await ask("other.json"), [404, ""])
    assert.deepStrictEqual(await ask("..%2foutside.json"), [404, ""])
    Tool.remove(recordings)
  })

  it("lets other machines in with a token only", { timeout: 300_000 }, async () => {
    const open = await Tool.runAlone(["--dir", directory, "serve", "--host", "0.0.0.0", "--port", "0"])
    assert.strictEqual(open.code, 2)
    assert.match(open.err, /TIDEMARK_TOKEN/)
    const { url } = await serve(["--host", "0.0.0.0"], { TIDEMARK_TOKEN: "s3cret" })
    const { port } = new URL(url)
    const ask = (headers: Readonly<Record<string, string>>) =>
      fetch(`http://127.0.0.1:${port}/collections`, { headers }).then(({ status }) => status)
    assert.strictEqual(await ask({}), 401)
    assert.strictEqual(await ask({ authorization: "Bearer s3cret" }), 200)
  })

  it(
    "takes tokens with what they allow from a file, and no file that says something else",
    { timeout: 300_000 },
    async () => {
      const file = join(Tool.temporary(), "tokens.json")
      const refused = [
        "[]",
        "{}",
        "[{\"token\":\"t\"}]",
        "[{\"token\":\"t\",\"rights\":\"read\",\"collections\":[\"a\"],\"onlyKeys\":1}]"
      ]
      for (const text of refused) {
        fs.writeFileSync(file, text)
        const { code, err } = await Tool.runAlone(["--dir", directory, "serve", "--port", "0", "--tokens", file])
        assert.strictEqual(code, 2, err)
      }
      fs.writeFileSync(file, JSON.stringify([{ token: "t", rights: "read", collections: ["a"] }]))
      const app = "https://app.example.org"
      const { url } = await serve(["--host", "0.0.0.0", "--tokens", file, "--cors", app])
      const ask = async (path: string, method = "GET") => {
        const at = `http://127.0.0.1:${new URL(url).port}/collections${path}`
        const answer = await fetch(at, { method, headers: { authorization: "Bearer t", origin: app } })
        return [answer.status, answer.headers.get("access-control-allow-origin")]
      }
      assert.deepStrictEqual(await ask(""), [200, app])
      assert.deepStrictEqual(await ask("/a", "PUT"), [403, app])
      assert.deepStrictEqual(await ask("/b"), [403, app])
    }
  )

  it("says so where it cannot listen", { timeout: 300_000 }, async () => {
    const taken = createServer().listen(0, "127.0.0.1")
    await once(taken, "listening")
    const { port } = taken.address() as AddressInfo
    const { code, err } = await Tool.runAlone(["--dir", directory, "serve", "--port", String(port)])
    taken.close()
    assert.strictEqual(code, 1)
    assert.match(err, new RegExp(`^tidemark: cannot listen on 127\\.0\\.0\\.1:${port}: .*EADDRINUSE.*\\n$`))
  })

  it("sends metrics where the variables of OpenTelemetry say", { timeout: 300_000 }, async () => {
    // The first that are sent may be of before the store was open.
    await new Promise<void>((resolve) => {
      const collector = createServer((request, response) => {
        let body = ""
        request.setEncoding("utf8").on("data", (text) => void (body += text)).on("end", () => {
          response.end("{}")
          if (request.url !== "/v1/metrics" || !body.includes("tidemark_collection_count")) return
          collector.close()
          resolve()
        })
      }).listen(0, "127.0.0.1", () => {
        const { port } = collector.address() as AddressInfo
        void serve([], {
          OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
          OTEL_METRICS_EXPORTER: "otlp",
          OTEL_METRIC_EXPORT_INTERVAL: "100"
        })
      })
    })
  })

  it(
    "with --standby waits for the lock, and serves once the process before is gone",
    { timeout: 300_000 },
    async () => {
      const first = await serve()
      assert.strictEqual((await fetch(`${first.url}/collections/kept`, { method: "PUT" })).status, 200)
      const standby = Tool.start(["--dir", directory, "--json", "serve", "--port", "0", "--standby"])
      running.push(standby)
      while (!standby.chunks.err.includes("\n")) await Promise.race([once(standby.child.stderr, "data"), standby.ended])
      assert.match(standby.chunks.err, /^standing by: /)
      assert.strictEqual(standby.chunks.out, "")
      first.child.kill("SIGKILL")
      while (!standby.chunks.out.includes("\n")) await Promise.race([once(standby.child.stdout, "data"), standby.ended])
      const [{ url }] = Tool.values(standby.chunks.out) as [{ readonly url: string }]
      assert.strictEqual((await fetch(`${url}/collections/kept`)).status, 200)
      assert.lengthOf(Tool.lines(standby.chunks.err), 1)
    }
  )

  it("--standby is for stores that have a lock, and for writers", { timeout: 300_000 }, async () => {
    for (const args of [["--dir", directory, "serve", "--read-only"], ["--store", "s3://bucket", "serve"]]) {
      const { code, err } = await Tool.run([...args, "--standby"])
      assert.strictEqual(code, 2)
      assert.match(err, /--standby/)
    }
  })
})

const postgres = await server()
afterAll(() => postgres?.remove())

describe.skipIf(postgres === undefined)("serve of a store that another process takes over", () => {
  it.live("answers 503, and ends with 1 and one line", () =>
    Effect.gen(function*() {
      const store = postgres!.newStore()
      const { child, chunks, ended } = Tool.start(["--store", store, "--json", "serve", "--port", "0"])
      yield* Effect.addFinalizer(() => Effect.sync(() => child.kill("SIGKILL")))
      while (!chunks.out.includes("\n")) yield* Effect.promise(() => Promise.race([once(child.stdout, "data"), ended]))
      const [{ url }] = Tool.values(chunks.out) as [{ readonly url: string }]
      yield* Effect.promise(() => fetch(`${url}/collections/orders`, { method: "PUT" }))
      const next = yield* Store.client(yield* open(store))
      yield* next.createOrLoad("more", Store.text)
      const answer = yield* Effect.promise(() => fetch(`${url}/collections/other`, { method: "PUT" }))
      assert.strictEqual(answer.status, 503)
      assert.include(yield* Effect.promise(() => answer.text()), "urn:tidemark:problem:fenced")
      const { code, err } = yield* Effect.promise(() => ended)
      assert.strictEqual(code, 1)
      assert.match(err, /the store has ended/)
      assert.lengthOf(Tool.lines(err).filter((line) => line.startsWith("tidemark: this writer holds epoch 1")), 1)
    }), 120_000)
})
