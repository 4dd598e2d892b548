/**
 * Blobs as files: `blobs/<key>`. A blob is written to a temporary file, flushed, and linked to its name. A reader
 * therefore sees all of it or nothing, and the first put of a key wins.
 *
 * @internal
 */
import { Effect, Option, Stream } from "effect"
import { dirname, join } from "node:path"
import type { StorageError } from "../PersistError.ts"
import type { Blob, Info, Range } from "../storage/Blob.ts"
import * as BlobKey from "../storage/BlobKey.ts"
import * as Directory from "./Directory.ts"
import * as File from "./File.ts"
import type { Reserve } from "./Reserve.ts"

export const make = (directory: Directory.Directory, reserve: Reserve): Blob["Service"] => {
  const locate = (key: string): string => {
    BlobKey.check(key)
    return join(directory.blobs, key)
  }
  let isEnsured = false
  const ensure = Effect.suspend(() =>
    isEnsured ? Effect.void : Effect.map(Directory.ensure(directory), () => void (isEnsured = true))
  )

  /** The directories that are known to survive a power failure, together with their parents up to that of all blobs. */
  const durable = new Set([directory.blobs])
  /** An existing directory may have been made by a process that was stopped before it flushed it. */
  const makeDurable = (path: string): Effect.Effect<void, File.FileError> =>
    durable.has(path)
      ? Effect.void
      : makeDurable(dirname(path)).pipe(
        Effect.andThen(File.syncDirectory(dirname(path))),
        Effect.andThen(Effect.sync(() => void durable.add(path)))
      )

  const write = Effect.fnUntraced(function*(path: string, bytes: Uint8Array) {
    const prepared = Directory.temporaryPath(directory)
    yield* File.create(prepared, bytes).pipe(
      Effect.andThen(File.makeDirectory(dirname(path))),
      Effect.andThen(makeDurable(dirname(path))),
      Effect.andThen(File.link(prepared, path)),
      Effect.catchIf(File.hasCode("EEXIST"), () => Effect.void),
      Effect.ensuring(Effect.ignore(File.remove(prepared)))
    )
    yield* File.syncDirectory(dirname(path))
  })

  return {
    location: directory.root,
    put: (key, bytes) =>
      Effect.suspend(() => {
        const path = locate(key)
        return Effect.andThen(ensure, refusing("put", key)(reserve.admit(write(path, bytes))))
      }),
    get: (key, range) =>
      Effect.suspend(() =>
        File.using(locate(key), File.flags.read, (fd) => readPart(fd, range)).pipe(
          Effect.asSome,
          Effect.catchIf(File.isMissing, () => Effect.succeedNone),
          refusing("get", key)
        )
      ),
    delete: (key) => Effect.suspend(() => refusing("delete", key)(File.remove(locate(key)))),
    list: (prefix) =>
      Stream.suspend(() => {
        BlobKey.checkPrefix(prefix)
        return list(directory.blobs, prefix)
      })
  }
}

const refusing = (operation: string, key: string) => File.orRefuse(`${operation} of blob "${key}"`, key)

const readPart = (fd: number, range: Range | undefined): Effect.Effect<Uint8Array, File.FileError> =>
  Effect.flatMap(File.size(fd), (size) => {
    const offset = range?.offset ?? 0
    return File.read(fd, offset, Math.max(0, Math.min(range?.length ?? size, size - offset)))
  })

/** A directory of blobs that is still to be listed, and the key prefix that it stands for. */
interface Pending {
  readonly path: string
  readonly key: string
}

const list = (root: string, prefix: string): Stream.Stream<Info, StorageError> => {
  const key = prefix.slice(0, prefix.lastIndexOf("/") + 1)
  const first: Pending = { path: join(root, key), key }
  return Stream.paginate<ReadonlyArray<Pending>, Info, File.FileError>(
    [first],
    ([next, ...rest]) =>
      Effect.map(listOne(next!, prefix), ({ directories, infos }) => {
        const left = [...rest, ...directories]
        return [infos, left.length === 0 ? Option.none() : Option.some(left)]
      })
  ).pipe(Stream.mapError((error) => File.refusal("list of blobs", root, error)))
}

const listOne = Effect.fnUntraced(function*({ key, path }: Pending, prefix: string) {
  const names = yield* Effect.catchIf(File.list(path), File.isMissing, () => Effect.succeed([]))
  const directories: Array<Pending> = []
  const infos: Array<Info> = []
  for (const entry of names) {
    const name = key + entry.name
    if (entry.isDirectory()) {
      if (`${name}/`.startsWith(prefix.slice(0, name.length + 1))) {
        directories.push({ path: join(path, entry.name), key: `${name}/` })
      }
    } else if (name.startsWith(prefix)) {
      const stat = yield* Effect.option(File.stat(join(path, entry.name)))
      if (Option.isSome(stat)) infos.push({ key: name, bytes: Number(stat.value.size) })
    }
  }
  return { directories, infos }
})
