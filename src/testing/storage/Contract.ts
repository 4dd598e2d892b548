/**
 * The parts of a contract: named effects that a test runner executes one by one. They die with a message where the
 * contract is violated, and need no particular runner.
 *
 * @since 0.1.0
 */
import { Effect, type Scope } from "effect"
import * as Platform from "../../Platform.ts"

/**
 * One rule of a contract, and the effect that checks it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Test {
  readonly name: string
  readonly run: Effect.Effect<void, unknown, Scope.Scope>
}

/** Dies unless the two have the same JSON; byte arrays are compared by content. */
export const same = (actual: unknown, expected: unknown, what: string): Effect.Effect<void> =>
  Effect.suspend(() => {
    const [found, wanted] = [JSON.stringify(plain(actual)), JSON.stringify(plain(expected))]
    return found === wanted ? Effect.void : Effect.die(new Error(`${what}: found ${found}, expected ${wanted}`))
  })

const plain = (value: unknown): unknown => {
  if (value instanceof Uint8Array) {
    return value.length < 64 ? [...value] : `${value.length} bytes with checksum ${Platform.crc32(value)}`
  }
  if (Array.isArray(value)) return value.map(plain)
  return value
}

/** Dies unless the effect fails with an error of this tag. */
export const failsWith = <A, E extends { readonly _tag: string }, R>(
  effect: Effect.Effect<A, E, R>,
  tag: E["_tag"],
  what: string
): Effect.Effect<void, never, R> =>
  Effect.matchEffect(effect, {
    onFailure: (error) => same(error._tag, tag, what),
    onSuccess: () => Effect.die(new Error(`${what}: it succeeded, but ${tag} was expected`))
  })

/** Dies unless the effect dies. */
export const dies = <A, E, R>(effect: Effect.Effect<A, E, R>, what: string): Effect.Effect<void, never, R> =>
  Effect.flatMap(
    Effect.exit(effect),
    (exit) => same(exit._tag === "Failure" && exit.cause.reasons.some(({ _tag }) => _tag === "Die"), true, what)
  )
