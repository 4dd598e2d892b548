/**
 * A database of IndexedDB, and its transactions, which are on the disk when they are complete.
 *
 * @internal
 */
import { Effect, type Scope } from "effect"
import type { StorageError } from "../PersistError.ts"
import * as Failure from "./Failure.ts"

/** The object stores: the head of the log, its entries by position, and blobs by key, in pieces. */
export type StoreName = "log" | "entries" | "blobs" | "pieces"

/** A transaction in which requests are made until the promise is settled. It may wait for nothing but its requests. */
export type Body<A> = (store: (name: StoreName) => IDBObjectStore) => Promise<A>

export interface IndexedDb {
  readonly location: string
  readonly read: <A>(
    operation: string,
    stores: ReadonlyArray<StoreName>,
    body: Body<A>
  ) => Effect.Effect<A, StorageError>
  /** Changes all, durably, or nothing. Where that is unknown, the error is `Indeterminate`. */
  readonly change: <A>(
    operation: string,
    stores: ReadonlyArray<StoreName>,
    body: Body<A>
  ) => Effect.Effect<A, StorageError>
}

const version = 1

/** The result of a request. */
export const settled = <A>(request: IDBRequest<A>): Promise<A> =>
  new Promise((resolve, reject) => {
    request.addEventListener("success", () => resolve(request.result))
    request.addEventListener("error", () => reject(request.error))
  })

const open = async (name: string): Promise<IDBDatabase> => {
  const request = indexedDB.open(`tidemark ${name}`, version)
  request.addEventListener("upgradeneeded", () => {
    const stores: ReadonlyArray<StoreName> = ["log", "entries", "blobs", "pieces"]
    for (const store of stores) request.result.createObjectStore(store)
  })
  return settled(request)
}

/** What a transaction failed with, and whether it was only its commit that failed. */
class Aborted extends Error {
  readonly failure: Failure.Failure
  readonly isCommit: boolean

  constructor(cause: unknown, isCommit: boolean) {
    super("aborted", { cause })
    this.failure = Failure.of(cause)
    this.isCommit = isCommit
  }
}

const transact = <A>(
  database: IDBDatabase,
  stores: ReadonlyArray<StoreName>,
  mode: IDBTransactionMode,
  body: Body<A>
): Promise<A> =>
  new Promise((resolve, reject) => {
    const transaction = database.transaction(stores, mode, { durability: "strict" })
    let made: { readonly value: A } | undefined
    let cause: unknown
    transaction.addEventListener("complete", () => resolve(made!.value))
    transaction.addEventListener(
      "abort",
      () => reject(new Aborted(transaction.error ?? cause, made !== undefined && mode === "readwrite"))
    )
    body((name) => transaction.objectStore(name)).then(
      (value) => void (made = { value }),
      (error) => {
        cause = error
        // A request that fails has ended the transaction already.
        if (transaction.error === null) transaction.abort()
      }
    )
  })

export const make: (name: string) => Effect.Effect<IndexedDb, never, Scope.Scope> = Effect.fnUntraced(
  function*(name) {
    const location = `indexeddb:${name}`
    let opened: Promise<IDBDatabase> | undefined

    /** The database, opened by the first transaction, and anew once the browser has closed it. */
    const database = (): Promise<IDBDatabase> => {
      if (opened !== undefined) return opened
      const opening = open(name)
      const forget = (): void => {
        if (opened === opening) opened = undefined
      }
      opened = opening
      opening.then((each) => {
        each.addEventListener("close", forget)
        // Somebody deletes the database, or has a newer version of it.
        each.addEventListener("versionchange", () => {
          forget()
          each.close()
        })
      }, forget)
      return opening
    }

    yield* Effect.addFinalizer(() =>
      Effect.promise(async () => {
        const ended = opened
        opened = undefined
        await ended?.then((each) => each.close(), () => {})
      })
    )

    const run = (mode: IDBTransactionMode): IndexedDb["change"] => (operation, stores, body) =>
      Effect.tryPromise({
        try: async () => transact(await database(), stores, mode, body),
        catch: (cause) =>
          cause instanceof Aborted
            ? Failure.toStorageError(cause.failure, operation, location, cause.isCommit)
            : Failure.toStorageError(Failure.of(cause), operation, location, false)
      })

    return { location, read: run("readonly"), change: run("readwrite") }
  }
)
