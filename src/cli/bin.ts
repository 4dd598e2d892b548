#!/usr/bin/env node
/**
 * The command-line tool.
 *
 * @internal
 */

// Writes report their errors to the caller; without a listener, the same error would end the process first.
process.stdout.on("error", () => {})
process.stderr.on("error", () => {})

/** Requested to stop, by the signal that service supervisors send. */
let isTerminated = false
process.once("SIGTERM", () => void (isTerminated = true))

const tool = () =>
  // They are peer dependencies, which need not be installed: without them the tool prints a message.
  Promise.all([import("@effect/platform-node/NodeRuntime"), import("./Tidemark.ts")]).then(([NodeRuntime, Tidemark]) =>
    NodeRuntime.runMain(Tidemark.run(process.argv.slice(2)), {
      disableErrorReporting: true,
      teardown: (exit, onExit) => onExit(Tidemark.codeOf(exit, isTerminated))
    })
  )

/** Answered without the modules of the tool, which take a while to load. */
const version = () => import("../Version.ts").then(({ version }) => void process.stdout.write(`tidemark v${version}\n`))

const sentenceOf = ({ message }: Error): string | undefined => {
  const [, missing] = /^Cannot find package '([^']+)'/.exec(message) ?? []
  if (missing !== undefined) {
    return `the tool needs the package ${missing}, which is not installed; install it: npm install ${missing}`
  }
  return message.startsWith("Tidemark needs ") ? message : undefined
}

const run = process.argv.slice(2).join(" ") === "--version" ? version : tool

run().catch((cause: Error) => {
  const sentence = sentenceOf(cause)
  if (sentence === undefined) throw cause
  process.stderr.write(`tidemark: ${sentence}\n`)
  process.exitCode = 1
})
