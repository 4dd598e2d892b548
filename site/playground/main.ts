/**
 * The playground: the whole engine in the page, a program that can be edited, and the inspector beside it.
 */
import { Effect } from "effect"
import { MemoryStorage } from "tidemark"
import { IndexedDbStorage, OpfsStorage } from "tidemark/web"
import { examples } from "./examples.ts"
import * as Running from "./Running.ts"
import { serve, type Serving } from "./Serving.ts"

const element = <E extends HTMLElement>(id: string): E => document.getElementById(id) as E

const code = element<HTMLTextAreaElement>("code")
const output = element<HTMLPreElement>("output")
const example = element<HTMLSelectElement>("example")
const where = element<HTMLSelectElement>("where")
const runButton = element<HTMLButtonElement>("run")
const inspector = element<HTMLIFrameElement>("inspector")

declare global {
  interface Window {
    /** What the inspector asks instead of a server. */
    tidemarkFetch: (input: string, init?: RequestInit) => Promise<Response>
  }
}

const write = (line: string): void => {
  output.append(`${line}\n`)
  output.scrollTop = output.scrollHeight
}

const worker = () => new Worker(new URL("worker.js", import.meta.url), { type: "module" })

const makeStorage = async () => {
  switch (where.value) {
    case "database":
      return IndexedDbStorage.layer({ name: "playground" })
    case "files":
      return OpfsStorage.layer({ name: "playground", worker })
    default:
      return MemoryStorage.layerOf(await Effect.runPromise(MemoryStorage.make))
  }
}

let serving: Serving | undefined

window.tidemarkFetch = (input, init) => {
  if (serving === undefined) return Promise.reject(new Error("run a program first"))
  return serving.handle(new Request(new URL(input, "http://localhost"), init))
}

const show = (collection: string): void =>
  void (inspector.src = `inspector.html?${new URLSearchParams({ collection })}`)

/** The inspector follows the program, a moment behind it. */
const showFirst = async (): Promise<void> => {
  for (let attempt = 0; attempt < 50; attempt++) {
    const [first] = await (await window.tidemarkFetch("collections")).json() as ReadonlyArray<{ readonly name: string }>
    if (first !== undefined) return show(first.name)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

const run = async (): Promise<void> => {
  runButton.disabled = true
  output.textContent = ""
  await serving?.stop()
  const storage = await makeStorage()
  serving = serve(storage)
  show("")
  try {
    await Running.run(code.value, { playground: { storage } })
    write("— done")
    await showFirst()
  } catch (error) {
    write(error instanceof Error ? `${error.name}: ${error.message}` : String(error))
  } finally {
    runButton.disabled = false
  }
}

for (const name of Object.keys(examples)) example.append(new Option(name))
const choose = (): void => void (code.value = examples[example.value] ?? "")
choose()
example.addEventListener("change", choose)
runButton.addEventListener("click", () => void run())
code.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) void run()
})
Running.tee(write)
