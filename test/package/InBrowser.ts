/** The programs of the README in a browser, bundled by esbuild. Only their storage is another one. */
import { Effect, Exit, Scope } from "effect"
import fs from "node:fs"
import { join } from "node:path"
import * as Browser from "../web/Browser.ts"
import { esbuildCli } from "./Bundlers.ts"
import { checks, programs } from "./Consumers.ts"
import { must } from "./Tarball.ts"

export const storages = ["IndexedDbStorage", "OpfsStorage"] as const

export type Storage = typeof storages[number]

/** A program for Node.js, with a storage of browsers. */
const adapted = (code: string, storage: Storage): string =>
  code
    .replace(`import { mkdtempSync } from "node:fs"\n`, "")
    .replace(`import { FileStorage } from "tidemark/node"`, `import { ${storage} } from "tidemark/web"`)
    .replace(
      /FileStorage\.layer\(.*?\)(?= \/\/)/,
      `${storage}.layer({ name: "readme", worker: () => new Worker("/files.js", { type: "module" }) })`
    )

/** Bundles the programs of an application. Returns the scripts by their paths. */
const bundled = (directory: string, storage: Storage): ReadonlyMap<string, Uint8Array> => {
  const [sources, out] = [join(directory, storage), join(directory, "browser", storage)]
  fs.mkdirSync(sources, { recursive: true })
  for (const program of programs) {
    const from = program === "store" ? join(import.meta.dirname, "WebProgram.ts") : join(directory, `${program}.ts`)
    fs.writeFileSync(join(sources, `${program}.ts`), adapted(fs.readFileSync(from, "utf8"), storage))
  }
  const entries = [...programs.map((program) => `${storage}/${program}.ts`), "files=tidemark/web/worker"]
  const flags = ["--bundle", "--format=esm", "--log-level=error", `--outdir=${out}`]
  must(esbuildCli, [...entries, ...flags], directory)
  return new Map(
    fs.readdirSync(out).map((file) => [
      file === "files.js" ? "/files.js" : `/${storage}/${file}`,
      fs.readFileSync(join(out, file))
    ])
  )
}

/** Prints values as JSON. Browsers show them to people only. */
const printAsJson = (): void => {
  const print = console.log
  const text = (value: unknown): string => typeof value === "string" ? value : JSON.stringify(value)
  console.log = (...values: ReadonlyArray<unknown>) => print(values.map(text).join(" "))
}

/** Opens the page of a program, and returns what it prints, once it has printed enough. */
const output = async ({ context }: Browser.Running, url: string, isEnough: (printed: string) => boolean) => {
  const page = await context.newPage()
  await page.addInitScript(printAsJson)
  let printed = ""
  const done = new Promise<string>((resolve, reject) => {
    page.on("console", (message) => {
      printed += `${message.text()}\n`
      if (isEnough(printed)) resolve(printed)
    })
    page.on("pageerror", reject)
  })
  await page.goto(url)
  const found = await done
  await page.close()
  return found
}

/** Runs the programs. Throws where one fails, prints something else than the README says, or its store is not compacted. */
export const check = (directory: string, storage: Storage): Promise<void> => {
  const scope = Effect.runSync(Scope.make())
  const work = Effect.gen(function*() {
    const url = yield* Browser.serverOf(bundled(directory, storage))
    const running = yield* Effect.flatMap(Browser.profile, Browser.running)
    yield* Effect.promise(async () => {
      const run = (program: string, isEnough: (printed: string) => boolean) =>
        output(running, `${url}${storage}/${program}`, isEnough)
      checks.readme1(await run("readme1", (printed) => printed.split("Draft of a plan").length > 2))
      checks.readme2(await run("readme2", (printed) => printed.includes("shipped")))
      checks.store(await run("store", (printed) => printed.includes("rows")))
    })
  })
  return Effect.runPromise(
    Effect.onExit(Scope.provide(work, scope), () => Scope.close(scope, Exit.void))
  )
}
