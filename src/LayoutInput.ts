/**
 * Reads values in a layout. Bytes may be damaged: every length is checked against the remaining bytes.
 *
 * @internal
 */
import * as Platform from "./Platform.ts"
import { reject } from "./Refusal.ts"

const eight = new Uint8Array(8)
const double = new DataView(eight.buffer)

/** The bytes of one value, read from the front. */
export class LayoutInput {
  offset: number
  readonly bytes: Uint8Array
  readonly end: number
  private readonly start: number
  /** All of it, with one character a byte: taking part of a text is many times as fast as converting part of the bytes. */
  private latin1: string | undefined

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.bytes = bytes
    this.offset = start
    this.start = start
    this.end = end
    this.latin1 = undefined
  }

  need(size: number): void {
    if (size > this.end - this.offset) reject("schema", "the bytes end too early")
  }

  skip(size: number): void {
    this.need(size)
    this.offset += size
  }

  u8(): number {
    this.need(1)
    return this.bytes[this.offset++]!
  }

  f64(): number {
    this.need(8)
    const { bytes, offset } = this
    for (let i = 0; i < 8; i++) eight[i] = bytes[offset + i]!
    this.offset = offset + 8
    return double.getFloat64(0, true)
  }

  varint(): number {
    let value = this.u8()
    if (value < 0x80) return value
    value &= 0x7f
    for (let factor = 128; factor <= 2 ** 49; factor *= 128) {
      const byte = this.u8()
      value += (byte & 0x7f) * factor
      if (byte < 0x80) return byte === 0 ? reject("schema", "an integer is longer than it need be") : value
    }
    return reject("schema", "an integer has more than 56 bits")
  }

  /** How many values follow, of at least a byte each. */
  count(): number {
    const count = this.varint()
    this.need(count)
    return count
  }

  text(): string {
    const head = this.varint()
    const size = Math.floor(head / 2)
    this.need(size)
    const from = this.offset
    this.offset = from + size
    if (head % 2 === 1) return this.utf8(from, size)
    this.latin1 ??= Platform.readLatin1(this.bytes, this.start, this.end)
    return this.latin1.substring(from - this.start, from - this.start + size)
  }

  skipText(): void {
    this.skip(Math.floor(this.varint() / 2))
  }

  private utf8(from: number, size: number): string {
    return Platform.readUtf8(this.bytes, from, from + size) ?? reject("schema", `${size} bytes are not valid UTF-8`)
  }
}
