/**
 * A column of texts as consecutive bytes in one buffer: a separate array for each text would dominate the cost.
 *
 * @internal
 */
import * as Platform from "../Platform.ts"

const slabBytes = 1 << 20

/** UTF-8 needs no more than this many bytes for one UTF-16 unit. */
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
    /** All bytes. The next call of `add` may overwrite them. */
    take: (): Array<Uint8Array> => {
      const taken = texts
      texts = []
      used = 0
      return taken
    }
  }
}
