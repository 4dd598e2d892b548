/**
 * Runs a program of the reader: TypeScript with imports, and with `await` at its top.
 */
import * as effect from "effect"
import { transform } from "sucrase"
import * as tidemark from "tidemark"
import * as operators from "tidemark/operators"
import * as tables from "tidemark/tables"
import * as testing from "tidemark/testing"
import * as views from "tidemark/views"
import * as web from "tidemark/web"

const modules: Readonly<Record<string, object>> = {
  "effect": effect,
  "tidemark": tidemark,
  "tidemark/operators": operators,
  "tidemark/tables": tables,
  "tidemark/testing": testing,
  "tidemark/views": views,
  "tidemark/web": web
}

const namesOf = (provided: Readonly<Record<string, object>>): string =>
  [...Object.keys(modules), ...Object.keys(provided)].join(", ")

/** Ends when the program does. `provided` are modules of this page. */
export const run = async (code: string, provided: Readonly<Record<string, object>>): Promise<void> => {
  const script = transform(code, { transforms: ["typescript", "imports"], preserveDynamicImport: true }).code
  const require = (name: string): object => {
    const found = provided[name] ?? modules[name]
    if (found === undefined) throw new Error(`there is no module "${name}" here; there are ${namesOf(provided)}`)
    return found
  }
  const main = new Function("require", "exports", `return (async () => {${script}\n})()`)
  await main(require, {})
}

const show = (value: unknown): string => {
  if (typeof value === "string") return value
  if (value instanceof Error) return value.stack ?? String(value)
  return JSON.stringify(value) ?? String(value)
}

/** Has everything that is logged written to `write`, too. */
export const tee = (write: (line: string) => void): void => {
  for (const level of ["log", "info", "warn", "error", "debug"] as const) {
    const before = console[level].bind(console)
    console[level] = (...values: ReadonlyArray<unknown>) => {
      before(...values)
      write(values.map(show).join(" "))
    }
  }
}
