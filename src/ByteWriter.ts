/**
 * A growable byte buffer with little-endian integers, for codecs and file formats.
 *
 * @since 0.1.0
 */
import * as Platform from "./Platform.ts"

const twoTo32 = 4_294_967_296

/** A loop beats the platform's conversion for shorter texts. Twice their length fits seven bits. */
const shortText = 48

/**
 * Appends bytes to a buffer that doubles when it is full. Reuse one with `clear` to avoid allocation.
 *
 * @category models
 * @since 0.1.0
 */
export class ByteWriter {
  /** The bytes written so far are `bytes.subarray(0, length)`; what is behind them is undefined. */
  bytes: Uint8Array
  length = 0
  private view: DataView
  private writeUtf8: ((text: string, offset: number) => number) | undefined

  constructor(capacity = 256) {
    this.bytes = Platform.allocate(capacity)
    this.view = new DataView(this.bytes.buffer)
  }

  /** Makes room for `size` more bytes, so that they can be written at `length` directly. */
  reserve(size: number): void {
    const needed = this.length + size
    if (needed <= this.bytes.length) return
    const grown = Platform.allocate(Math.max(needed, this.bytes.length * 2))
    grown.set(this.bytes.subarray(0, this.length))
    this.bytes = grown
    this.view = new DataView(grown.buffer)
    this.writeUtf8 = undefined
  }

  /** Removes the content and keeps the memory. */
  clear(): void {
    this.length = 0
  }

  u8(value: number): void {
    this.reserve(1)
    this.bytes[this.length++] = value
  }

  u32(value: number): void {
    this.reserve(4)
    this.view.setUint32(this.length, value, true)
    this.length += 4
  }

  /** The 32 bits with the highest byte first, so that bytes sort as unsigned integers do. */
  u32InOrder(value: number): void {
    this.reserve(4)
    this.view.setUint32(this.length, value)
    this.length += 4
  }

  /** A non-negative safe integer as u64. */
  u64(value: number): void {
    this.reserve(8)
    this.view.setUint32(this.length, value % twoTo32, true)
    this.view.setUint32(this.length + 4, Math.floor(value / twoTo32), true)
    this.length += 8
  }

  /** A safe integer as i64, in two's complement. */
  i64(value: number): void {
    this.reserve(8)
    this.view.setUint32(this.length, value >>> 0, true)
    this.view.setInt32(this.length + 4, Math.floor(value / twoTo32), true)
    this.length += 8
  }

  /** A frontier as u64; the empty one is 2^64 - 1. */
  frontier(value: number): void {
    if (value === Infinity) {
      this.u32(0xffff_ffff)
      this.u32(0xffff_ffff)
    } else this.u64(value)
  }

  /** A u64 that may be beyond 2^53. */
  bits64(value: bigint): void {
    this.reserve(8)
    this.view.setBigUint64(this.length, value, true)
    this.length += 8
  }

  /** A double. */
  f64(value: number): void {
    this.reserve(8)
    this.view.setFloat64(this.length, value, true)
    this.length += 8
  }

  /** A non-negative integer of up to 53 bits, seven of them a byte, the lowest first. */
  varint(value: number): void {
    this.reserve(8)
    let rest = value
    while (rest >= 0x80) {
      this.bytes[this.length++] = rest % 128 | 0x80
      rest = rest < twoTo32 ? rest >>> 7 : Math.floor(rest / 128)
    }
    this.bytes[this.length++] = rest
  }

  /**
   * The text behind a varint: twice the number of bytes, and one more where not all of them are ASCII. False, and part of it
   * is written, for lone surrogates.
   */
  markedText(text: string): boolean {
    const size = text.length
    if (size < shortText) {
      this.reserve(size + 1)
      const { bytes, length } = this
      bytes[length] = size * 2
      let at = length + 1
      for (let i = 0; i < size; i++, at++) {
        const code = text.charCodeAt(i)
        if (code > 0x7f) return this.markedUtf8(text)
        bytes[at] = code
      }
      this.length = at
      return true
    }
    const start = this.length
    this.varint(size * 2)
    if (this.ascii(text)) return true
    this.length = start
    return this.markedUtf8(text)
  }

  private markedUtf8(text: string): boolean {
    if (!text.isWellFormed()) return false
    const start = this.length
    this.utf8(text)
    const size = this.length - start
    this.varint(size * 2 + 1)
    // The length goes before the text. It was written after it, because its own size depends on its value.
    const head = this.bytes.slice(start + size, this.length)
    this.bytes.copyWithin(start + head.length, start, start + size)
    this.bytes.set(head, start)
    return true
  }

  raw(bytes: Uint8Array): void {
    this.reserve(bytes.length)
    this.bytes.set(bytes, this.length)
    this.length += bytes.length
  }

  /** The text as UTF-8, without a length. */
  utf8(text: string): void {
    this.reserve(text.length * 3)
    if (text.length < shortText && this.shortAscii(text)) return
    this.writeUtf8 ??= Platform.utf8Writer(this.bytes)
    this.length += this.writeUtf8(text, this.length)
  }

  /** The text, for which there is room, if it is all ASCII; otherwise nothing. */
  private shortAscii(text: string): boolean {
    const { bytes, length } = this
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i)
      if (code > 0x7f) return false
      bytes[length + i] = code
    }
    this.length = length + text.length
    return true
  }

  /** The text, if it is all ASCII; otherwise nothing. */
  ascii(text: string): boolean {
    this.reserve(text.length)
    const isAscii = Platform.writeAscii(text, this.bytes.subarray(this.length, this.length + text.length))
    if (isAscii) this.length += text.length
    return isAscii
  }

  /** A u32 length, then the bytes. */
  blob(bytes: Uint8Array): void {
    this.u32(bytes.length)
    this.raw(bytes)
  }

  /** A u32 length, then the text as UTF-8. */
  text(text: string): void {
    const at = this.length
    this.u32(0)
    this.utf8(text)
    this.view.setUint32(at, this.length - at - 4, true)
  }

  /** Zero bytes up to the next multiple of `size`. */
  align(size: number): void {
    const padding = (size - this.length % size) % size
    this.reserve(padding)
    this.bytes.fill(0, this.length, this.length + padding)
    this.length += padding
  }

  /** Overwrites a u32 that was written before. */
  patchU32(offset: number, value: number): void {
    this.view.setUint32(offset, value, true)
  }

  /** A view of what was written: valid until the next write or `clear`. */
  view8(): Uint8Array {
    return this.bytes.subarray(0, this.length)
  }

  /** A copy of what was written, of exactly its size. */
  finish(): Uint8Array {
    return this.bytes.slice(0, this.length)
  }

  /** What was written, without a copy where little memory is left over. The writer must not be used any more. */
  take(): Uint8Array {
    return 2 * this.length >= this.bytes.length ? this.view8() : this.finish()
  }
}
