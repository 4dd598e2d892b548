#!/usr/bin/env node
/**
 * The command-line tool.
 *
 * @internal
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Tidemark from "./Tidemark.ts"

// Writes tell their caller; without a listener, the same error would end the process first.
process.stdout.on("error", () => {})
process.stderr.on("error", () => {})

NodeRuntime.runMain(Tidemark.run(process.argv.slice(2)), {
  disableErrorReporting: true,
  teardown: (exit, onExit) => onExit(Tidemark.codeOf(exit))
})
