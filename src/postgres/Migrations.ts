/**
 * The tables of a store, as migration steps. Specified in `docs/postgres.md`.
 *
 * @internal
 */

/** Version `i + 1` of the format is the result of the steps up to `steps[i]`. */
const steps: ReadonlyArray<(schema: string) => string> = [
  (schema) => `
    CREATE TABLE ${schema}.log (
      single boolean PRIMARY KEY DEFAULT true CHECK (single),
      format integer NOT NULL,
      epoch bigint NOT NULL,
      claim text NOT NULL,
      lower bigint NOT NULL CHECK (lower >= 0),
      upper bigint NOT NULL CHECK (upper >= lower)
    ) WITH (fillfactor = 10);
    INSERT INTO ${schema}.log (format, epoch, claim, lower, upper) VALUES (0, 0, '', 0, 0);
    CREATE TABLE ${schema}.entries (
      position bigint PRIMARY KEY,
      epoch bigint NOT NULL,
      crc bigint NOT NULL,
      bytes bytea NOT NULL
    );
    ALTER TABLE ${schema}.entries ALTER COLUMN bytes SET STORAGE EXTERNAL;
    CREATE TABLE ${schema}.blobs (
      key text COLLATE "C" PRIMARY KEY,
      bytes bytea NOT NULL
    );
    ALTER TABLE ${schema}.blobs ALTER COLUMN bytes SET STORAGE EXTERNAL;`,
  // Entries may be packed: a reader of version 1 only would report them as damaged.
  () => "NULL;"
]

/** The newest format, which this version writes and reads. */
export const format: number = steps.length

/**
 * One statement, and so one transaction, that brings a schema to the newest format from any older one, or from nothing.
 * A concurrent migration waits, and then finds nothing to do. A newer format is left unchanged.
 */
export const statement = (schema: string): string => `
  DO $tidemark$
  DECLARE found integer := 0;
  BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('tidemark ${schema}', 0));
    IF NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = '${schema}') THEN
      CREATE SCHEMA ${schema};
    END IF;
    IF to_regclass('${schema}.log') IS NOT NULL THEN
      SELECT format INTO found FROM ${schema}.log;
    END IF;
    ${steps.map((step, i) => `IF found <= ${i} THEN ${step(schema)} END IF;`).join("\n    ")}
    IF found < ${format} THEN UPDATE ${schema}.log SET format = ${format}; END IF;
  END
  $tidemark$`
