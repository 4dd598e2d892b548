/**
 * The tool as a whole: its commands, and how their failures are reported. Exit code 0 on success, 1 on a failure with
 * one line on stderr, 2 on wrong usage, 130 when interrupted.
 *
 * @internal
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Cause, Effect, Exit, Layer, Logger } from "effect"
import { CliConfig, CliError, CliOutput, Command, GlobalFlag } from "effect/cli"
import fs from "node:fs"
import { backup, backups } from "./commands/Backup.ts"
import { bench } from "./commands/Bench.ts"
import { compact } from "./commands/Compact.ts"
import { copy } from "./commands/Copy.ts"
import { demo } from "./commands/Demo.ts"
import { describe } from "./commands/Describe.ts"
import { destroy } from "./commands/Destroy.ts"
import { diff } from "./commands/Diff.ts"
import { erase } from "./commands/Erase.ts"
import { exporting } from "./commands/Export.ts"
import { gc } from "./commands/Gc.ts"
import { get } from "./commands/Get.ts"
import { history } from "./commands/History.ts"
import { importing } from "./commands/Import.ts"
import { ingest } from "./commands/Ingest.ts"
import { inspect } from "./commands/Inspect.ts"
import { list } from "./commands/List.ts"
import { mcp } from "./commands/Mcp.ts"
import { prune } from "./commands/Prune.ts"
import { restore } from "./commands/Restore.ts"
import { schema } from "./commands/Schema.ts"
import { seal } from "./commands/Seal.ts"
import { serve, terminationCode } from "./commands/Serve.ts"
import { simulate } from "./commands/Simulate.ts"
import { snapshot } from "./commands/Snapshot.ts"
import { tail } from "./commands/Tail.ts"
import { unlock } from "./commands/Unlock.ts"
import { verify } from "./commands/Verify.ts"
import { lineOf, OutputClosed, Usage } from "./Failure.ts"
import * as Output from "./Output.ts"
import { root } from "./Root.ts"

const version = (JSON.parse(fs.readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
  readonly version: string
}).version

const tidemark = root.pipe(
  Command.withSubcommands([
    { group: "The main job", commands: [demo] },
    { group: "Write", commands: [ingest, importing, seal, compact, erase, destroy] },
    { group: "Read", commands: [snapshot, get, history, diff, tail, exporting] },
    { group: "Serve", commands: [serve, mcp] },
    { group: "Look after", commands: [list, describe, schema, inspect, verify, gc, copy, unlock] },
    { group: "Back up", commands: [backup, backups, restore, prune] },
    { group: "Prove", commands: [simulate, bench] }
  ]),
  Command.withExamples([
    { command: "tidemark demo", description: "See it at work on a git history" },
    { command: "tidemark ingest orders updates.ndjson", description: "Bring data in" },
    { command: "tidemark snapshot orders --as-of 5", description: "Read it as of a time" }
  ])
)

/** Wrong usage prints two lines on stderr; requested help goes to standard output. */
const presenter = CliOutput.layerPresenter({
  present: (event) =>
    event._tag === "InvalidInvocation"
      ? Output.note(
        `${event.errors.map((error) => `tidemark: ${lineOf(error)}`).join("\n")}\n` +
          `see ${event.commandPath.join(" ")} --help`
      )
      : CliOutput.defaultPresenter.present(event)
})

const config = CliConfig.layer({ builtIns: [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.Completions] })

/** The exit code. */
export const codeOf = (exit: Exit.Exit<unknown, unknown>, isTerminated = false): number => {
  if (Exit.isSuccess(exit)) return 0
  if (Cause.hasInterruptsOnly(exit.cause)) return isTerminated ? terminationCode() : 130
  const error = Cause.squash(exit.cause)
  if (error instanceof OutputClosed) return 0
  return error instanceof Usage || CliError.isCliError(error) ? 2 : 1
}

/** One line for any failure. The cli module has reported wrong usage itself. */
const report = (cause: Cause.Cause<unknown>): Effect.Effect<void> => {
  const error = Cause.squash(cause)
  const isTold = Cause.hasInterruptsOnly(cause) || error instanceof OutputClosed || CliError.isCliError(error)
  return isTold ? Effect.void : Output.note(`tidemark: ${lineOf(error)}`)
}

/** Runs a command line. When it fails, the failure has already been reported. */
export const run = (args: ReadonlyArray<string>): Effect.Effect<void, unknown> =>
  Command.runWith(tidemark, { version })(args).pipe(
    Effect.tapCause(report),
    Effect.provideService(Logger.LogToStderr, true),
    Effect.provide(Layer.mergeAll(NodeServices.layer, presenter, config))
  )
