/**
 * `tidemark erase`: removes a key from history and storage.
 *
 * @internal
 */
import { Effect, Schema } from "effect"
import { Argument, Command } from "effect/cli"
import { Erasure } from "../../client/Erasure.ts"
import * as StoredJson from "../../client/StoredJson.ts"
import * as Output from "../Output.ts"
import { common } from "../Root.ts"
import * as Store from "../Store.ts"
import * as Values from "../Values.ts"
import { keyArgument } from "./Get.ts"

export const erase = Command.make(
  "erase",
  { name: Argument.String("NAME"), key: keyArgument },
  Effect.fn(function*({ key, name }) {
    const { storage } = yield* common
    yield* Effect.gen(function*() {
      const { description, writer } = yield* StoredJson.open(name)
      const receipt = yield* writer.erase(yield* Values.parseKey(name, description.key, key))
      yield* Output.json(yield* Schema.encodeEffect(Erasure)(receipt))
    }).pipe(Effect.scoped, Effect.provide(Store.changing(storage)))
  })
).pipe(
  Command.withDescription(
    "Take every row of a key out of a collection's whole history, and its bytes out of every file of the store; prints a " +
      "receipt. Subscribers receive no update of it."
  ),
  Command.withShortDescription("Take a key out of history and storage"),
  Command.withExamples([{ command: `tidemark erase users '"u-17"'`, description: "A key of JSON: a text has quotes" }])
)
