/**
 * Bounds-checked reading of what `ByteWriter` wrote, for bytes that may be hostile: every length is checked against
 * what is there before anything is allocated.
 *
 * @internal
 */
import { Corrupt } from "./PersistError.ts"
import * as Platform from "./Platform.ts"

const twoTo32 = 4_294_967_296

/** Reads little-endian fields in order, and throws `Corrupt` with location and offset at the first invalid one. */
export class ByteReader {
  offset = 0
  private readonly view: DataView
  readonly bytes: Uint8Array
  readonly location: string
  /** Where `bytes[0]` lies in the file or object that `location` names: errors name offsets in it. */
  readonly base: number

  constructor(bytes: Uint8Array, location: string, base = 0) {
    this.bytes = bytes
    this.location = location
    this.base = base
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get remaining(): number {
    return this.bytes.length - this.offset
  }

  fail(detail: string): never {
    throw new Corrupt({ location: this.location, offset: this.base + this.offset, detail })
  }

  need(size: number): void {
    if (size > this.remaining) this.fail(`${size} bytes were expected, but only ${this.remaining} are left`)
  }

  u8(): number {
    this.need(1)
    return this.bytes[this.offset++]!
  }

  u32(): number {
    this.need(4)
    const value = this.view.getUint32(this.offset, true)
    this.offset += 4
    return value
  }

  /** A u64 that must be a safe integer. */
  u64(): number {
    this.need(8)
    const value = this.view.getUint32(this.offset, true) + this.view.getUint32(this.offset + 4, true) * twoTo32
    if (value > Number.MAX_SAFE_INTEGER) this.fail("an unsigned integer is beyond 2^53 - 1")
    this.offset += 8
    return value
  }

  /** An i64 that must be a safe integer. */
  i64(): number {
    this.need(8)
    const value = this.view.getUint32(this.offset, true) + this.view.getInt32(this.offset + 4, true) * twoTo32
    if (!Number.isSafeInteger(value)) this.fail("a signed integer is beyond 2^53 - 1")
    this.offset += 8
    return value
  }

  /** A frontier as u64; the empty one is 2^64 - 1. */
  frontier(): number {
    this.need(8)
    const isEmpty = this.view.getUint32(this.offset, true) === 0xffff_ffff &&
      this.view.getUint32(this.offset + 4, true) === 0xffff_ffff
    if (!isEmpty) return this.u64()
    this.offset += 8
    return Infinity
  }

  /** A u64 that may be beyond 2^53. */
  bits64(): bigint {
    this.need(8)
    const value = this.view.getBigUint64(this.offset, true)
    this.offset += 8
    return value
  }

  /** Skips the zero bytes up to the next multiple of `size`. */
  align(size: number): void {
    const padding = (size - this.offset % size) % size
    for (const byte of this.raw(padding)) if (byte !== 0) this.fail("padding is not zero")
  }

  raw(size: number): Uint8Array {
    this.need(size)
    const bytes = this.bytes.subarray(this.offset, this.offset + size)
    this.offset += size
    return bytes
  }

  blob(): Uint8Array {
    return this.raw(this.u32())
  }

  text(): string {
    const size = this.u32()
    this.need(size)
    const text = Platform.readUtf8(this.bytes, this.offset, this.offset + size)
    if (text === undefined) this.fail("a text is not valid UTF-8")
    this.offset += size
    return text
  }

  /**
   * A count of items that take at least `minimum` bytes each: a count that cannot fit is rejected as damage before
   * anything is allocated.
   */
  count(minimum: number): number {
    const count = this.u32()
    if (count * minimum > this.remaining) this.fail(`${count} items cannot fit in the ${this.remaining} bytes left`)
    return count
  }

  end(): void {
    if (this.remaining !== 0) this.fail(`${this.remaining} bytes are left over`)
  }
}
