/**
 * Applications that are bundled: their merges run in the worker thread where its file is found, and in the thread of the
 * process where it is not.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { execFile } from "node:child_process"
import { rename, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { directory } from "./Temporary.ts"

const source = (file: string) => join(import.meta.dirname, file)

const root = join(import.meta.dirname, "../..")

/** Runs a program in a process of its own, and returns what it prints. */
const printed = (program: string, ...args: ReadonlyArray<string>): Effect.Effect<string> =>
  Effect.promise(() =>
    new Promise((resolve, reject) =>
      execFile(
        program,
        args,
        { cwd: root },
        (error, stdout, stderr) => error === null ? resolve(stdout) : reject(new Error(`${error.message}\n${stderr}`))
      )
    )
  )

const bundle = (format: "esm" | "cjs", outdir: string, entryPoints: Record<string, string>) =>
  printed(
    join(root, "node_modules/esbuild/bin/esbuild"),
    "--bundle",
    "--platform=node",
    "--log-level=error",
    `--format=${format}`,
    `--outdir=${outdir}`,
    `--out-extension:.js=.${format === "esm" ? "mjs" : "cjs"}`,
    "--external:@effect/platform-node",
    ...Object.entries(entryPoints).map(([name, file]) => `${name}=${file}`)
  )

interface Found {
  readonly rows: number
  readonly before: number
  readonly after: number
  readonly warnings: ReadonlyArray<string>
}

const run = (...command: ReadonlyArray<string>): Effect.Effect<Found> =>
  Effect.map(printed(process.execPath, ...command), (json) => JSON.parse(json))

const compacted = (found: Found) => {
  assert.strictEqual(found.rows, 1)
  assert.isAbove(found.before, 0)
  assert.isBelow(found.after, found.before / 10)
}

describe("a bundle", () => {
  it.effect.each(["esm", "cjs"] as const)(
    "%s in a single file merges in process, and says so once",
    (format) =>
      Effect.gen(function*() {
        const out = yield* directory
        yield* bundle(format, out, { app: source("BundleProgram.ts") })
        const found = yield* run(join(out, format === "esm" ? "app.mjs" : "app.cjs"), join(out, "store"))
        compacted(found)
        assert.deepStrictEqual(found.warnings.map((line) => line.slice(0, 12)), ["Warn merging"])
        assert.match(found.warnings[0]!, format === "esm" ? /Cannot find module/ : /a CommonJS bundle has no address/)
      })
  )

  it.effect("in an archive of Electron merges in the worker that is unpacked beside the archive", () =>
    Effect.gen(function*() {
      const out = yield* directory
      // Node.js has no archives: what it sees of one, and of what is unpacked from it, are folders of these names.
      const [packed, unpacked] = [join(out, "app.asar"), join(out, "app.asar.unpacked")]
      yield* bundle("esm", join(packed, "dist"), { app: source("BundleProgram.ts") })
      yield* bundle("esm", join(unpacked, "dist"), { MergeWorker: "tidemark/worker" })
      yield* Effect.promise(() => rename(join(unpacked, "dist/MergeWorker.mjs"), join(unpacked, "dist/MergeWorker.js")))
      yield* Effect.promise(() => writeFile(join(unpacked, "package.json"), `{"type":"module"}`))
      const found = yield* run(join(packed, "dist/app.mjs"), join(out, "store"))
      compacted(found)
      assert.deepStrictEqual(found.warnings, [])
    }))

  it.effect("with the worker beside it merges there", () =>
    Effect.gen(function*() {
      const out = yield* directory
      yield* bundle("esm", out, { app: source("BundleProgram.ts"), MergeWorker: "tidemark/worker" })
      yield* Effect.promise(() => rename(join(out, "MergeWorker.mjs"), join(out, "MergeWorker.js")))
      yield* Effect.promise(() => writeFile(join(out, "package.json"), `{"type":"module"}`))
      const found = yield* run(join(out, "app.mjs"), join(out, "store"))
      compacted(found)
      assert.deepStrictEqual(found.warnings, [])
    }))

  it.effect.each(["esm", "cjs"] as const)("%s that names its worker merges there", (format) =>
    Effect.gen(function*() {
      const out = yield* directory
      const extension = format === "esm" ? "mjs" : "cjs"
      yield* bundle(format, out, { app: source("BundleProgram.ts"), merging: "tidemark/worker" })
      const found = yield* run(join(out, `app.${extension}`), join(out, "store"), join(out, `merging.${extension}`))
      compacted(found)
      assert.deepStrictEqual(found.warnings, [])
    }))
})
