/**
 * Splits a stream of bytes at a separator, with one piece in memory at a time.
 *
 * @internal
 */
import { Effect, Stream } from "effect"

/** The largest length of a piece: a line of input, a path. */
export const maxBytes = 64 * 1024 * 1024

/**
 * The pieces between separators, in batches as the input brings them. The last piece may end without a separator; a
 * separator at the very end begins no piece. Fails with `tooLong` of the number of the piece, from 1, that is too long.
 */
export const split = <E, R, E2>(
  bytes: Stream.Stream<Uint8Array, E, R>,
  separator: number,
  tooLong: (piece: number) => E2
): Stream.Stream<ReadonlyArray<Uint8Array>, E | E2, R> =>
  Stream.suspend(() => {
    /** The beginning of a piece whose end has not arrived yet. */
    let begun: Array<Uint8Array> = []
    let begunBytes = 0
    let complete = 0

    const whole = (end: Uint8Array): Uint8Array => {
      complete++
      if (begun.length === 0) return end
      const joined = new Uint8Array(begunBytes + end.length)
      let at = 0
      for (const part of [...begun, end]) {
        joined.set(part, at)
        at += part.length
      }
      begun = []
      begunBytes = 0
      return joined
    }
    const cut = (chunk: Uint8Array): Effect.Effect<ReadonlyArray<Uint8Array>, E2> => {
      const pieces: Array<Uint8Array> = []
      let start = 0
      for (let end = chunk.indexOf(separator); end >= 0; end = chunk.indexOf(separator, start)) {
        pieces.push(whole(chunk.subarray(start, end)))
        start = end + 1
      }
      if (start < chunk.length) {
        begun.push(chunk.subarray(start))
        begunBytes += chunk.length - start
      }
      return begunBytes > maxBytes ? Effect.fail(tooLong(complete + 1)) : Effect.succeed(pieces)
    }

    return bytes.pipe(
      Stream.mapEffect(cut),
      Stream.concat(Stream.suspend(() => begunBytes === 0 ? Stream.empty : Stream.succeed([whole(new Uint8Array(0))])))
    )
  })
