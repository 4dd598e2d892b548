/** What programs have in common whose processes are killed again and again. */
import { Effect, Schedule, Stream } from "effect"
import type { CollectionReader } from "../../src/client/CollectionReader.ts"
import * as PersistClient from "../../src/client/PersistClient.ts"

/** The contents as of a time, none before the first. */
export const contents = <K, V>(read: CollectionReader<K, V>, asOf: number) =>
  asOf < 0
    ? Effect.succeed([])
    : Effect.scoped(
      Effect.flatMap(read.snapshot({ asOf, wait: false }), (snapshot) => Stream.runCollect(snapshot.contents))
    )

/** Opens a store with small limits, and again whenever that or the effect fails. */
export const untilItWorks = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.retry(
    Effect.provide(Effect.scoped(effect), PersistClient.layer({ memoryBytes: 2000, logBytes: 8000 })),
    Schedule.spaced("200 millis").pipe(Schedule.upTo({ times: 1000 }))
  )
