/**
 * Blobs as files in the origin private file system: whole or not at all, and the first put of a key wins.
 *
 * @internal
 */
import { Effect, Option, Stream } from "effect"
import type { Blob } from "../storage/Blob.ts"
import * as BlobKey from "../storage/BlobKey.ts"
import type { Files } from "./OpfsFiles.ts"

const folder = "blobs"

/** No key has this character, which stands for `/`: all blobs are in one folder. */
const separator = "~"

const pathOf = (key: string): string => {
  BlobKey.check(key)
  return `${folder}/${key.replaceAll("/", separator)}`
}

const keyOf = (name: string): string => name.replaceAll(separator, "/")

export const make = ({ change, location, read }: Files): Blob["Service"] => ({
  location,
  put: (key, bytes) =>
    Effect.suspend(() => {
      const path = pathOf(key)
      return change("storing a blob", async (host) => {
        if (await host.read(path, 0, 0) === undefined) await host.publish(path, bytes)
      })
    }),
  get: (key, range) =>
    Effect.suspend(() => {
      const path = pathOf(key)
      const { length, offset } = range ?? { offset: 0, length: Number.MAX_SAFE_INTEGER }
      return Effect.map(
        read("reading a blob", (host) => host.read(path, offset, offset + length)),
        Option.fromUndefinedOr
      )
    }),
  delete: (key) =>
    Effect.suspend(() => {
      const path = pathOf(key)
      return change("deleting a blob", (host) => host.remove(path))
    }),
  list: (prefix) =>
    Stream.suspend(() => {
      BlobKey.checkPrefix(prefix)
      return Stream.unwrap(Effect.map(read("listing blobs", (host) => host.list(folder)), (found) =>
        Stream.fromArray(
          found.map(({ bytes, name }) => ({ key: keyOf(name), bytes })).filter(({ key }) => key.startsWith(prefix))
        )))
    })
})
