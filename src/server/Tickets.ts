/**
 * Tickets: for a short time, one of them lets a browser subscribe to one collection, where it cannot send a token.
 *
 * An `EventSource` sends no headers of its own, and a token in an address would be kept in logs and histories. A ticket
 * in an address is worth little: it is for one collection, for subscribing only, and soon expired. It is a time and a
 * code over it that only this process can make, so that nothing is kept for it.
 *
 * @internal
 */
import { Clock, Effect } from "effect"
import { Mac } from "effect/crypto"
import * as Platform from "../Platform.ts"

export interface Tickets {
  readonly issue: (collection: string) => Effect.Effect<{ readonly ticket: string; readonly expiresInSeconds: number }>
  readonly isValid: (collection: string, ticket: string) => Effect.Effect<boolean>
}

const pattern = /^([1-9]\d{0,15})\.([A-Za-z0-9_-]{43})$/

const encoder = new TextEncoder()

/** What a code is over. No name has a line break that could make one read as another: the time comes first. */
const signed = (expires: number, collection: string): Uint8Array => encoder.encode(`events\n${expires}\n${collection}`)

/** `lifetime` is how long a ticket can begin a subscription, in milliseconds. */
export const make = Effect.fnUntraced(function*(lifetime: number) {
  const mac = yield* Mac.Mac
  const key = yield* Effect.orDie(mac.generateKey(Mac.hmacSha256))
  const tickets: Tickets = {
    issue: Effect.fnUntraced(function*(collection) {
      const expires = (yield* Clock.currentTimeMillis) + lifetime
      const code = yield* Effect.orDie(mac.sign(key, signed(expires, collection)))
      return { ticket: `${expires}.${toUrl(code)}`, expiresInSeconds: Math.floor(lifetime / 1000) }
    }),
    isValid: Effect.fnUntraced(function*(collection, ticket) {
      const [, time, code] = pattern.exec(ticket) ?? []
      if (time === undefined || code === undefined) return false
      const expires = Number(time)
      const isOurs = yield* Effect.orDie(mac.verify(key, fromUrl(code), signed(expires, collection)))
      return isOurs && (yield* Clock.currentTimeMillis) < expires
    })
  }
  return tickets
})

const toUrl = (bytes: Uint8Array): string =>
  Platform.toBase64(bytes).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "")

const fromUrl = (text: string): Uint8Array => Platform.fromBase64(text.replaceAll("-", "+").replaceAll("_", "/"))
