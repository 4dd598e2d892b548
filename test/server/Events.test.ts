import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Stream } from "effect"
import { Sse } from "effect/encoding"
import { connect } from "node:net"
import type { CollectionWriter } from "../../src/client/CollectionWriter.ts"
import * as Codec from "../../src/Codec.ts"
import * as Prng from "../../src/testing/Prng.ts"
import type { Update } from "../../src/Update.ts"
import * as Running from "./Running.ts"

type Json = typeof Codec.json extends Codec.Codec<infer A> ? A : never

interface Delivered {
  readonly updates: ReadonlyArray<Update<Json, Json>>
  /** The last progress, which is where to resume. */
  readonly id: string | undefined
}

/** Ids are those of the collection and the frontier. */
const frontierOf = (id: string | undefined): number => {
  const [, frontier] = /^\d+-(\d+|empty)$/.exec(id ?? "") ?? []
  return frontier === "empty" ? Infinity : Number(frontier)
}

/**
 * Connects as a browser does, and reads until `isEnough`, or until it is disconnected. Updates count once the progress
 * after them has come.
 */
const hear = (
  url: string,
  isEnough: (delivered: Delivered) => boolean,
  lastEventId?: string
): Effect.Effect<Delivered> =>
  Effect.promise(async (signal) => {
    const abort = new AbortController()
    signal.addEventListener("abort", () => abort.abort())
    const response = await fetch(url, {
      signal: abort.signal,
      headers: lastEventId === undefined ? {} : { "last-event-id": lastEventId }
    })
    assert.strictEqual(response.headers.get("content-type"), "text/event-stream")
    let delivered: Delivered = { updates: [], id: lastEventId }
    let pending: Array<Update<Json, Json>> = []
    const parser = Sse.makeParser((event) => {
      if (event._tag !== "Event" || isEnough(delivered)) return
      if (event.event === "updates") pending.push(...JSON.parse(event.data) as typeof pending)
      if (event.event !== "progress") return
      const frontier = frontierOf(event.id)
      assert.deepStrictEqual(JSON.parse(event.data), { frontier: frontier === Infinity ? "empty" : frontier })
      delivered = { updates: [...delivered.updates, ...pending], id: event.id }
      pending = []
    })
    const decoder = new TextDecoder()
    try {
      for await (const bytes of response.body!) {
        parser.feed(decoder.decode(bytes, { stream: true }))
        if (isEnough(delivered)) break
      }
    } catch (error) {
      assert.propertyVal(error, "message", "terminated")
    }
    abort.abort()
    return delivered
  })

const until = (frontier: number) => ({ id }: Delivered): boolean => frontierOf(id) >= frontier

const step = (write: CollectionWriter<Json, Json>, time: number, rows = 1) =>
  Effect.andThen(
    write.append(Array.from({ length: rows }, (_, key) => ({ key, value: time, time, diff: 1 }))),
    write.seal(time + 1)
  )

const timesOf = ({ updates }: Delivered) => updates.map(({ time }) => time)

describe("subscribing over HTTP", () => {
  it.live("delivers what there is, then what comes, and ends with the collection", () =>
    Effect.gen(function*() {
      const { persist, url } = yield* Running.start()
      const { writer } = yield* Running.orders(persist)
      const events = `${url}/collections/orders/events`
      const whole = yield* Effect.forkChild(hear(events, () => false))
      const now = yield* Effect.forkChild(hear(`${events}?asOf=9`, () => false))
      assert.deepStrictEqual((yield* hear(`${events}?from=4`, until(10))).updates, [
        { key: "a", value: { n: 1 }, time: 5, diff: -1 }
      ])
      yield* step(writer, 10)
      yield* writer.seal(Infinity)
      const first = [
        { key: "a", value: { n: 1 }, time: 1, diff: 1 },
        { key: "a", value: { n: 1 }, time: 5, diff: -1 },
        { key: "b", value: null, time: 3, diff: 2 }
      ]
      const last = { key: 0, value: 10, time: 10, diff: 1 }
      assert.deepStrictEqual(yield* Fiber.join(now), {
        updates: [{ key: "b", value: null, time: 9, diff: 2 }, last],
        id: "0-empty"
      })
      const delivered = yield* Fiber.join(whole)
      assert.sameDeepMembers([...delivered.updates], [...first, last])
      for (const id of ["empty", "0-empty"]) {
        const again = yield* Running.ask(events, { headers: { "last-event-id": id } })
        assert.strictEqual(again.status, 204, "which keeps a browser from asking for ever")
      }
    }))

  it.live("the typed client receives the same", () =>
    Effect.gen(function*() {
      const { client, persist } = yield* Running.start()
      yield* Running.orders(persist)
      const params = { name: "orders" }
      const events = yield* client.subscribe({ params, query: { from: 4 }, headers: {} })
      const [updates, progress] = yield* Stream.runCollect(Stream.take(events, 2))
      assert.deepInclude(updates, { event: "updates", data: [{ key: "a", value: { n: 1 }, time: 5, diff: -1 }] })
      assert.deepInclude(progress, { event: "progress", id: "0-10", data: { frontier: 10 } })
      const headers = { "last-event-id": progress!.id }
      const resumed = yield* client.subscribe({ params, query: {}, headers })
      const received = yield* Effect.forkChild(Stream.runCollect(Stream.take(resumed, 1)))
      yield* client.seal({ params, payload: { upper: 11 } })
      assert.deepInclude((yield* Fiber.join(received))[0], { event: "progress", id: "0-11" })
    }))

  it.live("does not resume in another collection of the same name", () =>
    Effect.gen(function*() {
      const { client, persist, url } = yield* Running.start()
      yield* Running.orders(persist)
      yield* persist.destroy("orders")
      yield* persist.createOrLoad("orders", { key: Codec.json, value: Codec.json, recreate: true })
      const params = { name: "orders" }
      yield* client.seal({ params, payload: { upper: 20 } })
      const { id } = yield* client.describe({ params })
      const ask = (lastId: string) =>
        Running.ask(`${url}/collections/orders/events`, { headers: { "last-event-id": lastId } })
      for (const lastId of ["0-10", "0-empty", `${id + 1}-5`]) {
        const { body, status } = yield* ask(lastId)
        assert.strictEqual(status, 410, lastId)
        assert.propertyVal(body, "type", "urn:tidemark:problem:collection-recreated")
      }
      for (const lastId of ["0-", "-1", "x-1", "0-1-2", "0-soon", "0-9007199254740993"]) {
        assert.strictEqual((yield* ask(lastId)).status, 400, lastId)
      }
      assert.strictEqual(frontierOf((yield* hear(`${url}/collections/orders/events`, until(20), `${id}-5`)).id), 20)
      assert.strictEqual(frontierOf((yield* hear(`${url}/collections/orders/events?from=5`, until(20))).id), 20)
    }))

  it.live.each([1, 2, 3])(
    "seed %i: interrupted anywhere and resumed, nothing is skipped and nothing comes twice",
    (seed) =>
      Effect.gen(function*() {
        const random = Prng.make(seed)
        // So little is kept for all that most resume behind it.
        const { persist, url } = yield* Running.start({ fanoutBytes: 300 })
        const { writer } = yield* persist.createOrLoad("steps", { key: Codec.json, value: Codec.json })
        const last = 60
        const reading = yield* Effect.forkChild(Effect.forEach([1, 2, 3], () =>
          Effect.gen(function*() {
            let delivered: Delivered = { updates: [], id: undefined }
            while (!until(last)(delivered)) {
              const count = 1 + random.int(8)
              const next = yield* hear(
                `${url}/collections/steps/events`,
                (each) => each.updates.length >= count || until(last)(each),
                delivered.id
              )
              delivered = { updates: [...delivered.updates, ...next.updates], id: next.id }
            }
            return timesOf(delivered)
          }), { concurrency: "unbounded" }))
        for (let time = 0; time < last; time++) {
          yield* step(writer, time)
          if (random.int(3) === 0) yield* Effect.sleep(1)
        }
        const times = Array.from({ length: last }, (_, time) => time)
        // Within one stretch of complete times updates come in the order of their rows.
        const sorted = (yield* Fiber.join(reading)).map((received) => received.toSorted((a, b) => a - b))
        for (const received of sorted) assert.deepStrictEqual(received, times)
      })
  )

  it.live("more subscribers than there may be are refused, until others have left", () =>
    Effect.gen(function*() {
      const { persist, url } = yield* Running.start({ maxSubscribers: 2 })
      yield* Running.orders(persist)
      const connected = Running.connected(`${url}/collections/orders/events`)
      const staying = yield* connected
      const leaving = yield* connected
      const refused = yield* connected
      assert.deepStrictEqual([staying.status, leaving.status, refused.status], [200, 200, 503])
      leaving.close()
      const next = yield* Effect.repeat(connected, { until: ({ status }) => status === 200 })
      next.close()
      staying.close()
    }))

  it.live("an idle connection is kept alive", () =>
    Effect.gen(function*() {
      const { persist, port } = yield* Running.start({ heartbeat: "5 millis" })
      yield* Running.orders(persist)
      const socket = connect(port, "127.0.0.1")
      socket.write("GET /collections/orders/events?from=10 HTTP/1.1\r\nHost: localhost\r\n\r\n")
      const beats = yield* Effect.promise(async () => {
        let text = ""
        for await (const chunk of socket.setEncoding("utf8")) {
          text += chunk
          if (text.split(": \n\n").length > 3) break
        }
        return text
      })
      assert.match(beats, /^HTTP\/1\.1 200 /)
    }))

  it.live("an idle connection is kept alive before there is a first time to deliver, and delivers it then", () =>
    Effect.gen(function*() {
      const { persist, port } = yield* Running.start({ heartbeat: "5 millis" })
      const { writer } = yield* persist.createOrLoad("new", { key: Codec.json, value: Codec.json })
      const socket = connect(port, "127.0.0.1")
      socket.write("GET /collections/new/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
      const chunks = socket.setEncoding("utf8")[Symbol.asyncIterator]()
      const hear = (isEnough: (text: string) => boolean) =>
        Effect.promise(async () => {
          let text = ""
          while (!isEnough(text)) text += (await chunks.next()).value as string
          return text
        })
      assert.match(yield* hear((text) => text.split(": \n\n").length > 3), /^HTTP\/1\.1 200 /)
      yield* step(writer, 0)
      yield* hear((text) => /^id: \d+-1$/m.test(text))
      socket.destroy()
    }))

  it.live("who does not read is disconnected, and resumes where it was", () =>
    Effect.gen(function*() {
      const { persist, port, url } = yield* Running.start({ stallTimeout: "100 millis" })
      const { writer } = yield* persist.createOrLoad("wide", { key: Codec.json, value: Codec.json })
      yield* writer.seal(1)
      const socket = connect(port, "127.0.0.1").pause()
      const closed = new Promise<string>((resolve) => {
        let text = ""
        // It reads at last, when it is too late.
        socket.setEncoding("utf8").on("data", (chunk) => void (text += chunk)).pause()
        socket.on("error", () => resolve(text))
        socket.on("close", () => resolve(text))
      })
      socket.write("GET /collections/wide/events?from=1 HTTP/1.1\r\nHost: localhost\r\n\r\n")
      const last = 120
      for (let time = 1; time < last; time++) {
        yield* writer.append([{ key: time, value: "x".repeat(200_000), time, diff: 1 }])
        yield* writer.seal(time + 1)
      }
      yield* Effect.repeat(Running.ask(`${url}/metrics`), {
        until: ({ body }) => /^tidemark_http_subscribers\{.*\} 0$/m.test(body as string)
      })
      socket.resume()
      const text = yield* Effect.promise(() => closed)
      const ids = [...text.matchAll(/^id: \d+-(\d+)$/gm)].map((match) => Number(match[1]))
      const lastId = ids.at(-1) ?? 1
      assert.isBelow(lastId, last, "most of it never reached the reader")
      let rest: Delivered = { updates: [], id: `0-${lastId}` }
      while (!until(last)(rest)) {
        // On a busy machine this reader may be too slow as well.
        const next = yield* hear(`${url}/collections/wide/events`, until(last), rest.id)
        rest = { updates: [...rest.updates, ...next.updates], id: next.id }
      }
      assert.sameMembers(timesOf(rest), Array.from({ length: last - lastId }, (_, i) => lastId + i))
    }))

  it.live("receives a problem that says why it cannot go on", () =>
    Effect.gen(function*() {
      const { client, persist } = yield* Running.start()
      yield* Running.orders(persist)
      const params = { name: "orders" }
      const events = yield* client.subscribe({ params, query: {}, headers: { "last-event-id": "10" } })
      const received = yield* Effect.forkChild(Stream.runCollect(events))
      yield* persist.destroy("orders")
      const [problem] = yield* Fiber.join(received)
      assert.deepInclude(problem?.data, { status: 410, type: "urn:tidemark:problem:collection-destroyed" })
    }))
})
