/**
 * Escapes text so that it cannot control a terminal.
 *
 * @internal
 */

const control = /[\p{Cc}\u2028\u2029]/gu

const escape = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`

/** Escapes control characters and line separators as JSON does, so that JSON keeps its meaning. */
export const printable = (text: string): string => text.replace(control, escape)

/** The same for text of several lines. */
export const printableLines = (text: string): string => text.split("\n").map(printable).join("\n")
