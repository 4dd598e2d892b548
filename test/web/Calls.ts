/** The program of these tests in a browser, and how its methods are called. */
import { Effect } from "effect"
import { build } from "esbuild"
import { join } from "node:path"
import type { Page } from "playwright-core"
import { type Running, serverOf } from "./Browser.ts"
import type { Methods, Where } from "./Program.ts"

/** The scripts, by path: the program, and the worker that changes files for it. */
const bundles = async (): Promise<ReadonlyMap<string, Uint8Array>> => {
  const { outputFiles } = await build({
    entryPoints: {
      program: join(import.meta.dirname, "Program.ts"),
      files: join(import.meta.dirname, "../../src/web/OpfsWorker.ts")
    },
    outdir: "/",
    bundle: true,
    format: "esm",
    write: false
  })
  return new Map(outputFiles.map(({ contents, path }) => [path, contents]))
}

/** The address of the page that has the program. */
export const server = Effect.flatMap(
  Effect.promise(bundles),
  (scripts) => Effect.map(serverOf(scripts), (url) => `${url}program`)
)

/** A tab with the program. */
export const tab = async ({ context }: Running, url: string): Promise<Page> => {
  const page = await context.newPage()
  await page.goto(url)
  await page.waitForFunction(() => "tidemark" in globalThis)
  return page
}

/** Calls a method of the program. */
export const call = <M extends keyof Methods>(
  page: Page,
  where: Where,
  method: M,
  ...args: Parameters<Methods[M]>
): ReturnType<Methods[M]> =>
  page.evaluate(
    ([where, method, args]) =>
      (globalThis as unknown as { readonly tidemark: (...args: ReadonlyArray<unknown>) => Promise<unknown> })
        .tidemark(where, method, ...args),
    [where, method, args as ReadonlyArray<unknown>] as const
  ) as ReturnType<Methods[M]>

/** The numbers that a page prints after a word, as they come. */
export const printed = (page: Page, word: string): ReadonlyArray<number> => {
  const numbers: Array<number> = []
  page.on("console", (message) => {
    const [, number] = new RegExp(`^${word} (\\d+)$`).exec(message.text()) ?? []
    if (number !== undefined) numbers.push(Number(number))
  })
  return numbers
}
