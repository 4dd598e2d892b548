/**
 * Files in the origin private file system, as a dedicated worker can change them: through synchronous access handles.
 *
 * Files are read without a handle, since another tab may hold it. A change is on the disk when its promise is fulfilled, as far
 * as `flush` puts it there. Changes are made one after the other.
 *
 * @internal
 */
import * as Failure from "./Failure.ts"

/** A file, and its size. */
export interface Found {
  readonly name: string
  readonly bytes: number
}

/** Paths are a folder and a name. */
export interface Host {
  readonly list: (folder: string) => Promise<ReadonlyArray<Found>>
  /** The bytes from `offset` on, up to `end`; none where there is no such file. */
  readonly read: (path: string, offset: number, end: number) => Promise<Uint8Array<ArrayBuffer> | undefined>
  /** Makes a file with this content, whole or not at all, in the place of one that is there. */
  readonly publish: (path: string, bytes: Uint8Array) => Promise<void>
  /** Writes at an offset, and keeps the file open. What a full disk has let it write is cut off before it fails. */
  readonly write: (path: string, offset: number, bytes: Uint8Array) => Promise<void>
  /** A file that is not there is removed already. */
  readonly remove: (path: string) => Promise<void>
  /** Removes all files of a folder. */
  readonly clear: (folder: string) => Promise<void>
  readonly close: (path: string) => Promise<void>
}

/** What the library of types lacks, since only workers have it. */
interface AccessHandle {
  readonly write: (bytes: Uint8Array, options: { readonly at: number }) => number
  readonly truncate: (size: number) => void
  readonly flush: () => void
  readonly close: () => void
}

interface FileHandle extends FileSystemFileHandle {
  readonly createSyncAccessHandle?: () => Promise<AccessHandle>
  readonly move?: (folder: FileSystemDirectoryHandle, name: string) => Promise<void>
}

/** Whether files can be changed here: in a dedicated worker. */
export const isAvailable = (): boolean =>
  typeof FileSystemFileHandle === "function" && "createSyncAccessHandle" in FileSystemFileHandle.prototype

const temporary = "tmp"
/** A file that is written to while it is read cannot be read; so often it is tried again. */
const readAttempts = 20

const isMissing = (cause: unknown): boolean => Failure.of(cause).name === "NotFoundError"

const orIfMissing = async <A, B>(work: Promise<A>, otherwise: B): Promise<A | B> => {
  try {
    return await work
  } catch (cause) {
    if (isMissing(cause)) return otherwise
    throw cause
  }
}

const full = (): DOMException => new DOMException("there is no space for all of the bytes", "QuotaExceededError")

const writeAll = (handle: AccessHandle, offset: number, bytes: Uint8Array): void => {
  if (handle.write(bytes, { at: offset }) < bytes.length) throw full()
  handle.flush()
}

const folderOf = async (store: string, name: string): Promise<FileSystemDirectoryHandle> => {
  const root = await navigator.storage.getDirectory()
  const stores = await root.getDirectoryHandle("tidemark", { create: true })
  const folder = await stores.getDirectoryHandle(store, { create: true })
  return folder.getDirectoryHandle(name, { create: true })
}

const partsOf = (path: string) => path.split("/") as [folder: string, name: string]

const fileOf = async (store: string, path: string, create: boolean): Promise<FileHandle> => {
  const [folder, name] = partsOf(path)
  return (await folderOf(store, folder)).getFileHandle(name, { create })
}

const handleOf = async (file: FileHandle): Promise<AccessHandle> => {
  if (file.createSyncAccessHandle === undefined) throw new Error("synchronous access handles need a dedicated worker")
  return file.createSyncAccessHandle()
}

const contentOf = async (store: string, path: string): Promise<File> => (await fileOf(store, path, false)).getFile()

const read = async (
  store: string,
  path: string,
  offset: number,
  end: number,
  attempts: number
): Promise<Uint8Array<ArrayBuffer> | undefined> => {
  try {
    const file = await contentOf(store, path)
    return new Uint8Array(await file.slice(offset, end).arrayBuffer())
  } catch (cause) {
    if (isMissing(cause)) return undefined
    if (Failure.of(cause).name !== "NotReadableError" || attempts === 1) throw cause
    return read(store, path, offset, end, attempts - 1)
  }
}

const namesOf = async (store: string, folder: string): Promise<ReadonlyArray<string>> => {
  const names: Array<string> = []
  for await (const name of (await folderOf(store, folder)).keys()) names.push(name)
  return names
}

const list = async (store: string, folder: string): Promise<ReadonlyArray<Found>> => {
  const sizes = (await namesOf(store, folder)).map(async (name) => {
    const file = await orIfMissing(contentOf(store, `${folder}/${name}`), undefined)
    return file === undefined ? [] : [{ name, bytes: file.size }]
  })
  return (await Promise.all(sizes)).flat()
}

/** The files of the store of this name. */
export const make = (store: string): Host => {
  const opened = new Map<string, AccessHandle>()
  let last: Promise<unknown> = Promise.resolve()
  let published = 0

  /** Runs after all changes before it. */
  const change = <A>(run: () => Promise<A>): Promise<A> => {
    const next = last.then(run, run)
    last = next
    return next
  }

  const close = (path: string): void => {
    opened.get(path)?.close()
    opened.delete(path)
  }

  const publish: Host["publish"] = async (path, bytes) => {
    const [folder, name] = partsOf(path)
    const made = `${temporary}/${name}.${published++}`
    try {
      const file = await fileOf(store, made, true)
      if (file.move === undefined) throw new Error("this browser cannot rename files")
      const handle = await handleOf(file)
      try {
        handle.truncate(0)
        writeAll(handle, 0, bytes)
      } finally {
        handle.close()
      }
      close(path)
      await file.move(await folderOf(store, folder), name)
    } catch (cause) {
      await remove(made)
      throw cause
    }
  }

  const write: Host["write"] = async (path, offset, bytes) => {
    const handle = opened.get(path) ?? await handleOf(await fileOf(store, path, false))
    opened.set(path, handle)
    try {
      writeAll(handle, offset, bytes)
    } catch (cause) {
      if (!Failure.isFull(Failure.of(cause))) throw cause
      handle.truncate(offset)
      handle.flush()
      throw cause
    }
  }

  const remove = async (path: string): Promise<void> => {
    const [folder, name] = partsOf(path)
    close(path)
    await orIfMissing((await folderOf(store, folder)).removeEntry(name), undefined)
  }

  return {
    list: (folder) => list(store, folder),
    read: (path, offset, end) => read(store, path, offset, end, readAttempts),
    publish: (path, bytes) => change(() => publish(path, bytes)),
    write: (path, offset, bytes) => change(() => write(path, offset, bytes)),
    remove: (path) => change(() => remove(path)),
    clear: (folder) =>
      change(async () => {
        await Promise.all((await namesOf(store, folder)).map((name) => remove(`${folder}/${name}`)))
      }),
    close: (path) => change(async () => close(path))
  }
}
