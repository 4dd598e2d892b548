/**
 * `tidemark mcp`: a store as tools of a language model.
 *
 * @internal
 */
import { Cause, Effect, Exit, Fiber, Layer, Logger } from "effect"
import { McpProtocol, McpServer } from "effect/ai"
import { Command } from "effect/cli"
import { version } from "../../Version.ts"
import { common } from "../Root.ts"
import * as Store from "../Store.ts"
import * as Tools from "../Tools.ts"

const instructions = "A store of collections that change over time. Every read is as of a time; what is read as of a " +
  "time never changes. Begin with collections. Nothing here writes."

export const mcp = Command.make(
  "mcp",
  {},
  Effect.fn(
    function*() {
      const { storage } = yield* common
      const serving = yield* Effect.forkChild(Layer.launch(
        McpServer.layerStdio({
          name: "tidemark",
          version,
          instructions,
          protocols: [
            McpProtocol.v2025_11_25,
            McpProtocol.v2025_06_18,
            McpProtocol.v2025_03_26,
            McpProtocol.v2024_11_05
          ],
          registrations: McpServer.toolkit(Tools.toolkit).pipe(
            Layer.provide(Tools.layer),
            Layer.provide(Store.reading(storage))
          )
        })
      ))
      const exit = yield* Fiber.await(serving)
      // The server interrupts the fiber that runs it at the end of its input.
      if (Exit.isFailure(exit) && !Cause.hasInterruptsOnly(exit.cause)) return yield* exit
    },
    // Standard output is the protocol's.
    Effect.provide(Logger.layer([Logger.withConsoleError(Logger.formatLogFmt)]))
  )
).pipe(
  Command.withDescription(
    "Serve the store to a language model, as tools of the Model Context Protocol over standard input and output: list, read " +
      "as of a time, history, diff, size. It only reads."
  ),
  Command.withShortDescription("Serve the store to a language model"),
  Command.withExamples([
    { command: "tidemark mcp --dir ./store", description: "The command that a client of the protocol starts" }
  ])
)
