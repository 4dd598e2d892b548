/**
 * `tidemark import sqlite`: a table of an SQLite database as a table of the store.
 *
 * @internal
 */
import { Effect, Option } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import * as Output from "../Output.ts"
import * as Progress from "../Progress.ts"
import { common } from "../Root.ts"
import * as SqliteTable from "../SqliteTable.ts"
import * as Store from "../Store.ts"
import * as TableImport from "../TableImport.ts"

const split = (text: Option.Option<string>): ReadonlyArray<string> =>
  Option.match(text, { onNone: () => [], onSome: (names) => names.split(",").map((name) => name.trim()) })

const said = (dry: SqliteTable.Sizes & { readonly here: number }): string =>
  [
    `${Output.counted(dry.rows, "row")}, ${Output.bytes(dry.bytes)} of data in the database`,
    `live        ${Output.counted(dry.live, "row")}, ${Output.bytes(dry.liveBytes)}`,
    `superseded  ${Output.counted(dry.rows - dry.live, "row")}, ${Output.bytes(dry.bytes - dry.liveBytes)}`,
    `here        about ${Output.bytes(dry.here)}`
  ].join("\n")

const sqlite = Command.make(
  "sqlite",
  {
    file: Argument.String("file").pipe(Argument.withDescription("The database")),
    table: Flag.String("table").pipe(Flag.withDescription("The table to import")),
    key: Flag.String("key").pipe(
      Flag.withDescription("The columns of its key, with commas between (default: the primary key)"),
      Flag.optional
    ),
    order: Flag.String("order").pipe(
      Flag.withDescription(
        "The column by which the last row of a key is the live one (default: the order of insertion)"
      ),
      Flag.optional
    ),
    value: Flag.String("value").pipe(
      Flag.withDescription("The column that is the value, as JSON (default: an object of all columns beside the key)"),
      Flag.optional
    ),
    to: Flag.String("to").pipe(
      Flag.withDescription("The name of the table here (default: the same)"),
      Flag.optional
    ),
    dryRun: Flag.Boolean("dry-run").pipe(
      Flag.withDescription("Only say what the table takes there, and would take here"),
      Flag.withDefault(false)
    )
  },
  Effect.fn(function*({ dryRun, file, key, order, table, to, value }) {
    const { json, storage } = yield* common
    const name = Option.getOrElse(to, () => table)
    const source = yield* SqliteTable.table(yield* SqliteTable.open(file), {
      table,
      key: split(key),
      order: Option.getOrUndefined(order),
      value: Option.getOrUndefined(value)
    })
    const sizes = yield* source.sizes
    if (dryRun) {
      const progress = yield* Progress.make({ label: "trying" })
      const dry = { ...sizes, here: yield* TableImport.estimate(name, source, sizes.live, progress) }
      return yield* json ? Output.json(dry) : Output.line(said(dry))
    }
    const total = sizes.live
    const storing = yield* Progress.make({ label: "importing", total })
    const comparing = Effect.scoped(Progress.make({ label: "comparing", total }))
    const { compared, stored } = yield* Effect.provide(
      TableImport.run(name, source, storing, comparing),
      Store.writing(storage)
    )
    if (json) return yield* Output.json({ table: name, stored, compared })
    yield* Output.line(
      `${Output.counted(compared, "row")} in table "${name}" as in the database` +
        (stored === compared ? "" : `; ${Output.counted(compared - stored, "row")} had been there already`)
    )
  }, Effect.scoped)
).pipe(
  Command.withDescription(
    "Import a table of an SQLite database into a table of the store: the last row of each key, in transactions. What was " +
      "interrupted continues where it was. At the end every row is compared. The database is only read."
  ),
  Command.withShortDescription("Import a table of an SQLite database"),
  Command.withExamples([
    {
      command: "tidemark import sqlite app.db --table part --dry-run",
      description: "What a table of current rows takes there and here"
    },
    {
      command: "tidemark import sqlite app.db --table event --key session,part --order seq --value data",
      description: "An event table: the last event of each part"
    }
  ])
)

export const importing = Command.make("import").pipe(
  Command.withDescription("Import the tables of another database."),
  Command.withShortDescription("Import the tables of another database"),
  Command.withSubcommands([sqlite])
)
