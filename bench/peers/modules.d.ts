/**
 * What the benchmarks use of packages that only `bench/package.json` has, so that they can be checked without them.
 */
declare module "classic-level" {
  interface Iterator {
    nextv(size: number): Promise<Array<[Buffer, Buffer]>>
    close(): Promise<void>
  }
  interface Batch {
    put(key: Buffer, value: Buffer): void
    write(options: { readonly sync: boolean }): Promise<void>
  }
  export class ClassicLevel {
    constructor(directory: string, options: object)
    open(): Promise<void>
    batch(): Batch
    get(key: Buffer): Promise<Buffer | undefined>
    iterator(options: object): Iterator
    on(
      event: "write",
      listener: (operations: ReadonlyArray<{ readonly key: Buffer; readonly value: Buffer }>) => void
    ): void
    compactRange(from: Buffer, to: Buffer): Promise<void>
    close(): Promise<void>
  }
}

declare module "@nxtedition/rocksdb" {
  interface Iterator {
    nextv(size: number): Promise<Array<[Buffer, Buffer]>>
    close(): Promise<void>
  }
  interface Batch {
    _put(key: Buffer, value: Buffer): void
    _writeSync(options: { readonly sync: boolean }): void
    _closeSync(): void
  }
  export class RocksLevel {
    constructor(directory: string, options: object)
    open(options: object): Promise<void>
    batch(): Batch
    iterator(options: object): Iterator
    getProperty(name: string): string
    close(): Promise<void>
  }
}

declare module "lmdb" {
  interface Entry {
    readonly key: Uint8Array
    readonly value: Buffer
  }
  interface Database {
    readonly flushed: Promise<unknown>
    batch(write: () => void): Promise<unknown>
    put(key: Buffer, value: unknown): void
    get(key: Buffer): Buffer | undefined
    getRange(options: object): Iterable<Entry>
    getCount(): number
    close(): Promise<void>
  }
  export const open: (options: object) => Database
}

declare module "postgres" {
  import type { Readable, Writable } from "node:stream"

  interface Copying {
    writable(): Promise<Writable>
    readable(): Promise<Readable>
  }
  interface Query extends Promise<ReadonlyArray<Readonly<Record<string, unknown>>>>, Copying {
    values(): Promise<ReadonlyArray<ReadonlyArray<unknown>>>
  }
  interface Connection {
    unsafe(text: string, values?: ReadonlyArray<unknown>, options?: { readonly prepare: boolean }): Query
    release(): void
  }
  interface Sql extends Connection {
    reserve(): Promise<Connection>
    begin(run: (sql: Connection) => Promise<unknown>): Promise<unknown>
    listen(channel: string, notified: () => void): Promise<unknown>
    notify(channel: string, text: string): Promise<unknown>
    end(options: { readonly timeout: number }): Promise<void>
  }
  export default function postgres(options: object): Sql
}

declare module "hdr-histogram-js" {
  export interface Histogram {
    readonly maxValue: number
    readonly totalCount: number
    recordValue(value: number): void
    getValueAtPercentile(percentile: number): number
  }
  export const build: (options: object) => Histogram
}

declare module "esbuild" {
  export const build: (options: object) => Promise<{
    readonly outputFiles: ReadonlyArray<{ readonly path: string; readonly contents: Uint8Array<ArrayBuffer> }>
  }>
}
