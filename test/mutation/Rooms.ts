/**
 * Which tests judge the automatic mutants of a room: those of its own and those of the modules that use it closely. Few enough that a
 * mutant is judged in seconds; a mutant that they miss and the rest of the suite would find has earned a test here.
 */
export interface Room {
  /** A folder or a module; the longest one that a path begins with counts. */
  readonly path: string
  /** Globs of test files. Those that start processes do not take part. */
  readonly tests: ReadonlyArray<string>
}

export const rooms: ReadonlyArray<Room> = [
  { path: "src/", tests: ["test/*.test.ts", "test/engine/*.test.ts"] },
  { path: "src/batch/", tests: ["test/batch/*.test.ts"] },
  { path: "src/engine/", tests: ["test/engine/*.test.ts", "test/traces.test.ts", "test/runtime/Rewriter.test.ts"] },
  { path: "src/engine/Batch.ts", tests: ["test/engine/Batch.test.ts", "test/engine/Plan.test.ts"] },
  { path: "src/engine/Overflow.ts", tests: ["test/engine/Overflow.test.ts"] },
  { path: "src/engine/PackedWrite.ts", tests: ["test/engine/PackedWrite.test.ts", "test/engine/Codecs.test.ts"] },
  { path: "src/engine/Plan.ts", tests: ["test/engine/Plan.test.ts", "test/engine/Overflow.test.ts"] },
  { path: "src/engine/ReadView.ts", tests: ["test/engine/ReadView.test.ts"] },
  { path: "src/engine/RecentWrites.ts", tests: ["test/engine/Timeline.test.ts"] },
  { path: "src/engine/Transaction.ts", tests: ["test/engine/Transaction.test.ts", "test/engine/Timeline.test.ts"] },
  { path: "src/engine/Evolution.ts", tests: ["test/engine/Evolution.test.ts", "test/client/Evolution.test.ts"] },
  { path: "src/engine/SchemaDiff.ts", tests: ["test/engine/SchemaDiff.test.ts", "test/client/Evolution.test.ts"] },
  { path: "src/storage/", tests: ["test/storage/*.test.ts", "test/runtime/Timeouts.test.ts"] },
  { path: "src/runtime/", tests: ["test/runtime/*.test.ts", "test/traces.test.ts"] },
  { path: "src/client/", tests: ["test/client/*.test.ts", "test/traces.test.ts"] },
  { path: "src/operators/", tests: ["test/operators/*.test.ts"] },
  { path: "src/views/", tests: ["test/views/*.test.ts"] },
  { path: "src/formats/", tests: ["test/formats/*.test.ts"] },
  { path: "src/parquet/", tests: ["test/parquet/*.test.ts"] },
  { path: "src/backup/", tests: ["test/backup/*.test.ts"] },
  { path: "src/services/", tests: ["test/services/*.test.ts"] },
  { path: "src/server/", tests: ["test/server/*.test.ts"] },
  {
    path: "src/node/",
    tests: ["test/node/*.test.ts", "test/crash/Files.test.ts", "test/testing/storage/Disk*.test.ts"]
  },
  { path: "src/s3/", tests: ["test/s3/*.test.ts"] },
  { path: "src/postgres/", tests: ["test/postgres/*.test.ts"] },
  { path: "src/testing/", tests: ["test/testing/**/*.test.ts"] },
  { path: "src/config/", tests: ["test/config/*.test.ts"] }
]

/** The room of a module or a folder. */
export const roomOf = (path: string): Room | undefined =>
  rooms.filter((room) => `${path}/`.startsWith(room.path)).toSorted((a, b) => b.path.length - a.path.length)[0]
