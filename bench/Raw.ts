/**
 * The bare disk: the bytes of a batch appended to a growing file, and `fdatasync`. It blocks, which is the quickest way.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import type { Engine, Store } from "./Contract.ts"
import { type Batch, updateBytes } from "./Data.ts"

/** Key, value, time and diff. */
const storedBytes = updateBytes + 16

const open = async ({ directory }: { readonly directory: string }): Promise<Store> => {
  const fd = fs.openSync(path.join(directory, "raw"), "a")
  const bytes = Buffer.alloc(4 * 1024 * 1024, 7)
  let flushes = 0
  return {
    append: async (batch: Batch) => {
      fs.writeSync(fd, bytes, 0, batch.length * storedBytes)
      fs.fdatasyncSync(fd)
      flushes += 1
    },
    flushes: async () => flushes,
    close: async () => fs.closeSync(fd)
  }
}

export const engines: ReadonlyArray<Engine> = [{ name: "raw/append", blocks: true, prepare: () => {}, open }]
