import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { spawnSync } from "node:child_process"
import { cpSync, mkdirSync, symlinkSync } from "node:fs"
import { join, resolve } from "node:path"
import * as StorageUrl from "../../src/config/StorageUrl.ts"
import { MissingPackage } from "../../src/PersistError.ts"
import { directory } from "../node/Temporary.ts"

const root = resolve(import.meta.dirname, "../..")

/** Runs the tool from an installation that has these packages and no others. */
const toolWith = (packages: ReadonlyArray<string>, ...args: ReadonlyArray<string>) =>
  Effect.map(directory, (place) => {
    mkdirSync(join(place, "node_modules", "@effect"), { recursive: true })
    for (const name of packages) symlinkSync(join(root, "node_modules", name), join(place, "node_modules", name))
    cpSync(join(root, "src"), join(place, "src"), { recursive: true })
    cpSync(join(root, "package.json"), join(place, "package.json"))
    const { status, stderr, stdout } = spawnSync(process.execPath, [join(place, "src/cli/bin.ts"), ...args], {
      encoding: "utf8"
    })
    return { status, stderr, stdout }
  })

describe("a package that is not installed", () => {
  it.live.each<readonly [string, string]>([
    ["postgres://db/app", "a store in Postgres needs the package @effect/sql-pg, which is not installed"],
    ["s3://bucket/prefix", "a store in a bucket needs the package @aws-sdk/client-s3, which is not installed"]
  ])("is named by the tool in one line that says how to install it: %s", ([url, sentence]) =>
    Effect.gen(function*() {
      const ran = yield* toolWith(["effect", "@effect/platform-node"], "--store", url, "list")
      assert.include(ran.stderr, sentence)
      assert.match(ran.stderr, /npm install @\S+\n$/)
      assert.notInclude(ran.stderr.trim(), "\n")
      assert.strictEqual(ran.status, 1)
    }))

  it.live("is named also where it is one that the tool as a whole needs", () =>
    Effect.gen(function*() {
      const ran = yield* toolWith(["effect"], "list")
      assert.strictEqual(
        ran.stderr,
        "tidemark: the tool needs the package @effect/platform-node, which is not installed; " +
          "install it: npm install @effect/platform-node\n"
      )
      assert.strictEqual(ran.status, 1)
    }))

  it.live("is distinguished from one that cannot be loaded", () =>
    Effect.gen(function*() {
      const broken = () => Promise.reject(new SyntaxError("no such export"))
      const error = yield* Effect.flip(StorageUrl.load("a store", "some-package", broken))
      assert.instanceOf(error, MissingPackage)
      assert.include(error.message, "some-package, which cannot be loaded (no such export)")
    }))
})
