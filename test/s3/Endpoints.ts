/**
 * The S3 servers that tests run on: the one in this process, and a real gateway where one is asked for.
 */
import { Effect, type Scope } from "effect"
import { fake } from "./Fake.ts"
import { gateway } from "./Gateway.ts"

export interface Store {
  readonly name: string
  readonly endpoint: Effect.Effect<string, never, Scope.Scope>
}

/** The gateway's address, where one is asked for. */
export const ceph: string | undefined = await gateway()

export const inProcess: Store = { name: "in process", endpoint: Effect.map(fake, ({ endpoint }) => endpoint) }

export const onCeph: ReadonlyArray<Store> = ceph === undefined ? [] : [{ name: "Ceph", endpoint: Effect.succeed(ceph) }]

export const stores: ReadonlyArray<Store> = [inProcess, ...onCeph]
