/**
 * Simulations as tests: `it.sim`, for vitest and for every runner whose `it` has the same shape.
 *
 * ```ts
 * import { it as base } from "vitest"
 * import { SimulationTest } from "tidemark/testing"
 *
 * const it = SimulationTest.extend(base)
 *
 * it.sim("nothing is lost", { seeds: 200 }, program)
 * ```
 *
 * @since 0.1.0
 */
import { Effect } from "effect"
import * as Seeds from "./Seeds.ts"
import type * as Simulation from "./Simulation.ts"

/**
 * The part of a test runner's `it` that is needed.
 *
 * @category models
 * @since 0.1.0
 */
export type It = (name: string, options: { readonly timeout?: number }, run: () => Promise<void>) => unknown

/**
 * Options of one test: those of `Seeds`, and how many milliseconds it may take, 10 minutes if absent.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends Omit<Seeds.Options<unknown, unknown>, "program" | "command"> {
  readonly timeout?: number | undefined
}

/**
 * A test that runs a program under many seeds, and fails with a line that replays the first failure.
 *
 * @category models
 * @since 0.1.0
 */
export type Sim = <A, E>(name: string, options: Options, program: Simulation.Options<A, E>["program"]) => void

const defaultTimeout = 600_000

/**
 * The same `it`, with `it.sim`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const extend = <I extends It>(it: I): I & { readonly sim: Sim } => {
  const sim: Sim = (name, { timeout = defaultTimeout, ...options }, program) => {
    const command = `npx vitest run -t ${JSON.stringify(name)}`
    it(name, { timeout }, () => Effect.runPromise(Effect.asVoid(Seeds.check({ ...options, program, command }))))
  }
  return new Proxy(it, {
    get: (target, property) => property === "sim" ? sim : Reflect.get(target, property)
  }) as I & { readonly sim: Sim }
}
