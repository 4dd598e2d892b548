/**
 * Text that cannot steer a terminal.
 *
 * @internal
 */

const control = /[\p{Cc}\u2028\u2029]/gu

const escape = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`

/** Control characters and line separators become escapes as JSON has them, so that JSON stays what it was. */
export const printable = (text: string): string => text.replace(control, escape)

/** The same, where the text has several lines. */
export const printableLines = (text: string): string => text.split("\n").map(printable).join("\n")
