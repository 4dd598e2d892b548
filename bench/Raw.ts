/**
 * The bare disk: the bytes of a batch appended to a growing file, and `fdatasync`. It blocks, which is the quickest way.
 */
import * as path from "node:path"
import * as RawDisk from "../src/cli/RawDisk.ts"
import type { Engine, Store } from "./Contract.ts"
import { type Batch, updateBytes } from "./Data.ts"

/** Key, value, time and diff. */
const storedBytes = updateBytes + 16

const open = async ({ directory }: { readonly directory: string }): Promise<Store> => {
  const disk = RawDisk.open(path.join(directory, "raw"))
  let flushes = 0
  return {
    append: async (batch: Batch) => {
      disk.append(batch.length * storedBytes)
      flushes += 1
    },
    flushes: async () => flushes,
    close: async () => disk.close()
  }
}

export const engines: ReadonlyArray<Engine> = [{ name: "raw/append", blocks: true, prepare: () => {}, open }]
