/**
 * A table of an SQLite database as it is imported: which columns are the key, and the newest row of each key.
 *
 * In an event table many rows have the same key: the last of them in the order of a column is live, and the others are
 * superseded.
 *
 * @internal
 */
import { Effect, type Schema, type Scope } from "effect"
import fs from "node:fs"
import type { DatabaseSync, SQLInputValue, SQLOutputValue } from "node:sqlite"
import { Failure, lineOf } from "./Failure.ts"

type Part = string | number
export type Parts = ReadonlyArray<Part>

export interface Row {
  readonly key: Parts
  readonly value: Schema.Json
}

/** What a table takes, and how much of it is live. */
export interface Sizes {
  readonly rows: number
  readonly live: number
  readonly bytes: number
  readonly liveBytes: number
}

export interface Chosen {
  readonly table: string
  /** Default: the primary key. */
  readonly key: ReadonlyArray<string>
  /** The column that orders the rows of a key. Default: the order of their insertion. */
  readonly order: string | undefined
  /** The column that is the value, as JSON. Default: an object of all columns that are not the key. */
  readonly value: string | undefined
}

export interface SqliteTable {
  readonly keyTypes: ReadonlyArray<"text" | "number">
  readonly sizes: Effect.Effect<Sizes, Failure>
  /** The live rows after a key, in the order of their keys. */
  readonly after: (key: Parts | undefined, count: number) => Effect.Effect<ReadonlyArray<Row>, Failure>
}

const quoted = (name: string): string => `"${name.replaceAll("\"", "\"\"")}"`
const listed = (names: ReadonlyArray<string>): string => names.map(quoted).join(", ")

/** Runs SQL, whose errors become failures of the tool. */
const attempt = <A>(what: string, run: () => A): Effect.Effect<A, Failure> =>
  Effect.try({ try: run, catch: (error) => new Failure({ message: `cannot ${what}: ${lineOf(error)}` }) })

export const open = (file: string): Effect.Effect<DatabaseSync, Failure, Scope.Scope> =>
  Effect.gen(function*() {
    if (!fs.existsSync(file)) return yield* new Failure({ message: `there is no file ${file}` })
    // Loaded here, as Node warns of it in some versions.
    const { DatabaseSync } = yield* Effect.promise(() => import("node:sqlite"))
    return yield* Effect.acquireRelease(
      attempt(`open ${file}`, () => {
        const db = new DatabaseSync(file, { readOnly: true })
        db.prepare("SELECT count(*) FROM sqlite_schema").get()
        return db
      }),
      (db) => Effect.sync(() => db.close())
    )
  })

const partOf = (cell: SQLOutputValue): Part =>
  typeof cell === "string" ? cell : typeof cell === "bigint" || typeof cell === "number" ? Number(cell) : ""

/** Integers beyond 2^53 become text, and bytes Base64. */
const jsonOf = (cell: SQLOutputValue): Schema.Json => {
  if (typeof cell === "bigint") return Number.isSafeInteger(Number(cell)) ? Number(cell) : String(cell)
  return cell instanceof Uint8Array ? Buffer.from(cell).toString("base64") : cell
}

const parsed = (cell: SQLOutputValue): Schema.Json => {
  if (typeof cell !== "string") return jsonOf(cell)
  try {
    return JSON.parse(cell) as Schema.Json
  } catch {
    return cell
  }
}

const typesOf = Effect.fnUntraced(function*(db: DatabaseSync, table: string, key: ReadonlyArray<string>) {
  return yield* Effect.forEach(key, (column) =>
    Effect.gen(function*() {
      const types = yield* attempt("read the key", () =>
        db.prepare(`SELECT DISTINCT typeof(${quoted(column)}) AS type FROM ${quoted(table)}`).all())
      const found = new Set(types.map(({ type }) =>
        type === "integer" || type === "real" ? "number" : String(type)
      ))
      const [only = "text"] = found
      if (found.size > 1 || (only !== "text" && only !== "number")) {
        const message = `column "${column}" cannot be a key: it has values of type ${[...found].join(" and ")}; ` +
          "a key has texts only or numbers only"
        return yield* new Failure({ message })
      }
      return only as "text" | "number"
    }))
})

const sizeOf = (columns: ReadonlyArray<string>): string =>
  columns.map((name) => `coalesce(length(CAST(${quoted(name)} AS BLOB)), 0)`).join(" + ")

export const table = Effect.fnUntraced(function*(db: DatabaseSync, { order, table, value, ...chosen }: Chosen) {
  const info = yield* attempt(`read table "${table}"`, () => db.prepare(`PRAGMA table_info(${quoted(table)})`).all())
  if (info.length === 0) return yield* new Failure({ message: `the database has no table "${table}"` })
  const columns = info.map(({ name }) => String(name))
  const primary = info.filter(({ pk }) => Number(pk) > 0).toSorted((a, b) => Number(a["pk"]) - Number(b["pk"]))
  const key = chosen.key.length > 0 ? chosen.key : primary.map(({ name }) => String(name))
  if (key.length === 0) {
    return yield* new Failure({
      message: `table "${table}" has no primary key: name the columns of its key with --key`
    })
  }
  const unknown = [...key, ...[order, value].filter((name) => name !== undefined)]
    .find((name) => !columns.includes(name))
  if (unknown !== undefined) {
    return yield* new Failure({ message: `table "${table}" has no column "${unknown}"` })
  }
  const keyTypes = yield* typesOf(db, table, key)
  const values = value === undefined ? columns.filter((name) => !key.includes(name)) : [value]
  const isPrimary = key.join() === primary.map(({ name }) => String(name)).join()
  // SQLite takes the other columns of a group from the row that has the maximum.
  const newest = (where: string) =>
    `SELECT ${listed([...key, ...values])}${
      isPrimary ? "" : `, max(${order === undefined ? "rowid" : quoted(order)})`
    } ` +
    `FROM ${quoted(table)} ${where} ${isPrimary ? "" : `GROUP BY ${listed(key)}`}`
  const later = `WHERE (${listed(key)}) > (${key.map(() => "?").join(", ")})`
  const rowOf = (row: Record<string, SQLOutputValue>): Row => ({
    key: key.map((name) => partOf(row[name]!)),
    value: value === undefined
      ? Object.fromEntries(values.map((name) => [name, jsonOf(row[name]!)]))
      : parsed(row[value]!)
  })
  const read = (sql: string, ...given: ReadonlyArray<SQLInputValue>) =>
    attempt(`read table "${table}"`, () => {
      const statement = db.prepare(sql)
      statement.setReadBigInts(true)
      return statement.all(...given)
    })
  const sized = (from: string) =>
    Effect.map(
      read(`SELECT count(*) AS rows, sum(${sizeOf([...key, ...values])}) AS bytes FROM (${from})`),
      ([row]) => ({
        rows: Number(row!["rows"]),
        bytes: Number(row!["bytes"] ?? 0)
      })
    )
  return {
    keyTypes,
    sizes: Effect.zipWith(sized(`SELECT * FROM ${quoted(table)}`), sized(newest("")), (all, live): Sizes => ({
      rows: all.rows,
      bytes: all.bytes,
      live: live.rows,
      liveBytes: live.bytes
    })),
    after: (last, count) =>
      Effect.map(
        read(`${newest(last === undefined ? "" : later)} ORDER BY ${listed(key)} LIMIT ${count}`, ...last ?? []),
        (rows) => rows.map(rowOf)
      )
  } satisfies SqliteTable
})
