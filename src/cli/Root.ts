/**
 * The root command: what every command of the tool has in common.
 *
 * @internal
 */
import { Config } from "effect"
import { Command, Flag } from "effect/cli"

export const defaultDirectory = "./.tidemark"

/** Commands read the shared flags with `yield* root`. */
export const root = Command.make("tidemark").pipe(
  Command.withSharedFlags({
    dir: Flag.Directory("dir").pipe(
      Flag.withDescription(`The store's directory (default: $TIDEMARK_DIR, else ${defaultDirectory})`),
      Flag.withFallbackConfig(Config.String("TIDEMARK_DIR")),
      Flag.withDefault(defaultDirectory)
    ),
    json: Flag.Boolean("json").pipe(
      Flag.withDescription("Print results as JSON, for programs"),
      Flag.withDefault(false)
    )
  }),
  Command.withDescription(
    "Durable, time-versioned, differential collections: write updates, seal times, read the contents as of any of them."
  )
)
