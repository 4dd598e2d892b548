#!/usr/bin/env node
/**
 * The command-line tool.
 *
 * @internal
 */

// Writes tell their caller; without a listener, the same error would end the process first.
process.stdout.on("error", () => {})
process.stderr.on("error", () => {})

// They are peer dependencies, which need not be installed: whoever runs the tool without them gets a sentence.
const modules = Promise.all([import("@effect/platform-node/NodeRuntime"), import("./Tidemark.ts")])

modules.then(
  ([NodeRuntime, Tidemark]) =>
    NodeRuntime.runMain(Tidemark.run(process.argv.slice(2)), {
      disableErrorReporting: true,
      teardown: (exit, onExit) => onExit(Tidemark.codeOf(exit))
    }),
  (cause: Error) => {
    const [, missing] = /^Cannot find package '([^']+)'/.exec(cause.message) ?? []
    if (missing === undefined) throw cause
    process.stderr.write(
      `the tool needs the package ${missing}, which is not installed; install it: npm install ${missing}\n`
    )
    process.exitCode = 1
  }
)
