/**
 * A column of texts as their bytes, which lie one after the other: an array of its own for each would cost more than
 * everything else about it.
 *
 * @internal
 */
import * as Platform from "../Platform.ts"

const slabBytes = 1 << 20

/** UTF-8 takes no more bytes for one unit of UTF-16. */
const maxBytesOfUnit = 3

export const make = () => {
  let slab = new Uint8Array(slabBytes)
  let write = Platform.utf8Writer(slab)
  let used = 0
  let texts: Array<Uint8Array> = []
  return {
    add: (text: string): void => {
      const most = text.length * maxBytesOfUnit
      if (used + most > slab.length) {
        slab = new Uint8Array(Math.max(slabBytes, most))
        write = Platform.utf8Writer(slab)
        used = 0
      }
      const end = used + write(text, used)
      texts.push(slab.subarray(used, end))
      used = end
    },
    /** All of them. The next call of `add` may overwrite them. */
    take: (): Array<Uint8Array> => {
      const taken = texts
      texts = []
      used = 0
      return taken
    }
  }
}
