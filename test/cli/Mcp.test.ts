import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { McpProtocol, McpServer, McpTest } from "effect/ai"
import { createInterface } from "node:readline"
import * as Tools from "../../src/cli/Tools.ts"
import * as PersistClient from "../../src/client/PersistClient.ts"
import * as Codec from "../../src/Codec.ts"
import * as MemoryStorage from "../../src/storage/MemoryStorage.ts"
import * as Update from "../../src/Update.ts"
import * as Tool from "./Tool.ts"

const fill = Effect.gen(function*() {
  const persist = yield* PersistClient.PersistClient
  const orders = yield* persist.createOrLoad("orders", { key: Codec.string, value: Codec.json })
  yield* orders.append([Update.insert("o-1", "new", 1), Update.insert("o-2", "new", 1), Update.insert("p-1", "new", 1)])
  yield* orders.append(Update.replace("o-1", "new", "paid", 2))
  yield* orders.seal(3)
})

/** A store as a model sees it: the answer of a tool, and whether it is an error. */
const model = Effect.gen(function*() {
  const registrations = McpServer.toolkit(Tools.toolkit).pipe(Layer.provide(Tools.layer))
  const client = yield* McpTest.makeClient(registrations, { protocols: [McpProtocol.v2025_11_25] })
  const call = (name: string, args: Record<string, unknown> = {}) =>
    Effect.map(client.callTool({ name, arguments: args }), ({ content, isError, structuredContent }) => ({
      isError: isError === true,
      text: JSON.stringify(content),
      answer: structuredContent as Record<string, unknown>
    }))
  return { client, call }
})

const store = PersistClient.layer().pipe(Layer.provideMerge(MemoryStorage.layer))

describe("a store for language models", () => {
  it.live("can be listed, read as of a time, followed by key and compared", () =>
    Effect.gen(function*() {
      yield* fill
      const { call, client } = yield* model
      assert.sameMembers((yield* client.listTools()).tools.map(({ name }) => name), [
        "collections",
        "contents",
        "get",
        "history",
        "diff",
        "size"
      ])
      const { answer: { collections } } = yield* call("collections")
      assert.deepStrictEqual(collections, [{ name: "orders", key: "string", value: "json", since: 0, upper: 3 }])
      const read = (args: Record<string, unknown>) =>
        Effect.map(call("contents", { collection: "orders", ...args }), ({ answer }) => answer)
      assert.deepStrictEqual(yield* read({ asOf: 1, limit: 1 }), {
        asOf: 1,
        rows: [{ key: "o-1", value: "new", diff: 1 }],
        next: "o-2"
      })
      assert.deepStrictEqual(yield* read({ from: "o-2", prefix: "o" }), {
        asOf: 2,
        rows: [{ key: "o-2", value: "new", diff: 1 }]
      })
      const one = { collection: "orders", key: "o-1" }
      assert.deepStrictEqual((yield* call("get", one)).answer["rows"], [{ key: "o-1", value: "paid", diff: 1 }])
      assert.deepStrictEqual((yield* call("get", { ...one, asOf: 1 })).answer["rows"], [
        { key: "o-1", value: "new", diff: 1 }
      ])
      assert.lengthOf((yield* call("history", one)).answer["updates"] as Array<unknown>, 3)
      const compared = yield* call("diff", { collection: "orders", from: 1, to: 2, limit: 1 })
      assert.deepInclude(compared.answer, { hasMore: true })
      const { answer: { now, withoutHistory } } = yield* call("size", { collection: "orders" })
      assert.deepInclude(now, { updates: 5 })
      assert.deepInclude(withoutHistory, { updates: 3 })
    }).pipe(Effect.provide(store)))

  it.live("answers what it cannot do in words", () =>
    Effect.gen(function*() {
      yield* fill
      const { call } = yield* model
      for (
        const [name, args, expected] of [
          ["history", { collection: "none", key: 1 }, /there is no collection/],
          ["contents", { collection: "orders", asOf: 3 }, /may still change|sealed/],
          ["contents", { collection: "orders", prefix: 7 }, /string/]
        ] as const
      ) {
        const { isError, text } = yield* call(name, args)
        assert.isTrue(isError)
        assert.match(text, expected)
      }
    }).pipe(Effect.provide(store)))

  it("speaks the protocol over standard input and output, and nothing else there", async () => {
    const directory = Tool.temporary()
    await Tool.run(["--dir", directory, "ingest", "orders", "-"], { input: `{"key":"a","value":1,"time":1}\n` })
    const { child, ended } = Tool.start(["--dir", directory, "mcp"])
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    const ask = async (id: number, method: string, params: object) => {
      child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", id, method, params })}\n`)
      return JSON.parse((await lines.next()).value as string) as { readonly id: number; readonly result: object }
    }
    const clientInfo = { name: "test", version: "1" }
    const hello = await ask(1, "initialize", { protocolVersion: "2025-06-18", capabilities: {}, clientInfo })
    assert.nestedPropertyVal(hello, "result.serverInfo.name", "tidemark")
    child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", method: "notifications/initialized" })}\n`)
    const { result } = await ask(2, "tools/call", { name: "collections", arguments: {} })
    assert.nestedPropertyVal(result, "structuredContent.collections[0].name", "orders")
    child.stdin.end()
    assert.strictEqual((await ended).code, 0, "it ends with its input")
    Tool.remove(directory)
  })
})
