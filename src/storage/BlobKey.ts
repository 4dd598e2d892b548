/**
 * The keys that every blob layer takes: `/`-separated segments of `[a-z0-9._-]`, none of them empty, `.` or `..`.
 *
 * @internal
 */
const pattern = /^(?!\.{1,2}(\/|$))[a-z0-9._-]+(\/(?!\.{1,2}(\/|$))[a-z0-9._-]+)*$/

export const isKey = (key: string): boolean => pattern.test(key)

/**
 * Throws for an invalid key. The library makes the keys, so that an invalid one is a bug and not a failure of storage.
 */
export const check = (key: string): void => {
  if (!isKey(key)) throw new Error(`"${key}" is no blob key`)
}

/** Throws for a prefix that no key can have. */
export const checkPrefix = (prefix: string): void => {
  if (!isKey(`${prefix}0`)) throw new Error(`"${prefix}" is not the beginning of a blob key`)
}
