/**
 * Reads values in a layout. Bytes may be damaged: every length is checked against the remaining bytes.
 *
 * @internal
 */
import * as Platform from "./Platform.ts"
import { reject } from "./Refusal.ts"

/**
 * So many bytes are made text at once where values are next to each other. A part of a text keeps all of it in memory, so that
 * this is also what a row that is kept may cost beyond its own size.
 */
const windowBytes = 1024

/** The bytes of values, each read from the front. */
export class LayoutInput {
  offset: number
  end: number
  readonly bytes: Uint8Array
  private readonly ahead: number
  private view: DataView | undefined
  /**
   * Some of the bytes, with one character a byte: taking part of a text is many times as fast as converting part of the
   * bytes.
   */
  private window = ""
  private windowStart = 0

  /** `isOneOfMany`: other values are behind this one, and will be read, too. */
  constructor(bytes: Uint8Array, start: number, end: number, isOneOfMany: boolean) {
    this.bytes = bytes
    this.offset = start
    this.end = end
    this.ahead = isOneOfMany ? windowBytes : 0
    this.view = undefined
  }

  /** Goes to another value. */
  moveTo(start: number, end: number): void {
    this.offset = start
    this.end = end
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
    this.view ??= new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.byteLength)
    const value = this.view.getFloat64(this.offset, true)
    this.offset += 8
    return value
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
    const at = from - this.windowStart
    if (at < 0 || at + size > this.window.length) return this.openWindow(from).substring(0, size)
    return this.window.substring(at, at + size)
  }

  private openWindow(from: number): string {
    const end = Math.min(this.bytes.length, Math.max(this.end, from + this.ahead))
    this.windowStart = from
    this.window = Platform.readLatin1(this.bytes, from, end)
    return this.window
  }

  skipText(): void {
    this.skip(Math.floor(this.varint() / 2))
  }

  private utf8(from: number, size: number): string {
    return Platform.readUtf8(this.bytes, from, from + size) ?? reject("schema", `${size} bytes are not valid UTF-8`)
  }
}
