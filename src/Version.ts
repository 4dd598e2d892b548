/**
 * The version of the package, for code that cannot read its files.
 *
 * @internal
 */

export const version = "0.1.0"
