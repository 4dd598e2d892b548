/**
 * The version of the package, for what has no access to its files.
 *
 * @internal
 */

export const version = "0.1.0"
