/** A reporter of Stryker: prints each mutant that no test notices as soon as it is known, so that a run that is cut short says something. */
import { relative } from "node:path"

interface Result {
  readonly fileName: string
  readonly status: string
  readonly replacement?: string
  readonly location: { readonly start: { readonly line: number; readonly column: number } }
}

class Survivors {
  static readonly inject = [] as const

  onMutantTested({ fileName, location: { start }, replacement = "", status }: Result): void {
    if (status !== "Survived" && status !== "NoCoverage") return
    const place = `${relative(process.cwd(), fileName)}:${start.line}:${start.column}`
    console.log(`not noticed: ${place} -> ${replacement.replaceAll(/\s+/g, " ").slice(0, 120)}`)
  }
}

export const strykerPlugins = [{ kind: "Reporter", name: "survivors", injectableClass: Survivors }]
