/**
 * The errors of codecs: for values that they cannot encode, and for bytes that are not an encoding.
 *
 * @internal
 */
import { DecodeError, ValueOutOfRange } from "./PersistError.ts"

export const refuse = (codec: string, reason: string): never => {
  throw new ValueOutOfRange({ what: "a value", detail: `codec "${codec}" cannot encode it: ${reason}` })
}

export const reject = (codec: string, detail: string): never => {
  throw new DecodeError({ codec, detail })
}

export const loneSurrogate = "it has a lone surrogate, which UTF-8 cannot express"
