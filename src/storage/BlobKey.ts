/**
 * The keys that every blob layer takes: `/`-separated segments of `[a-z0-9._-]`, none of them empty, `.` or `..`.
 *
 * @internal
 */
const pattern = /^(?!\.{1,2}(\/|$))[a-z0-9._-]+(\/(?!\.{1,2}(\/|$))[a-z0-9._-]+)*$/

export const isKey = (key: string): boolean => pattern.test(key)

/** Throws where the key is none: keys are made by the library, so that a bad one is a bug and no failure of storage. */
export const check = (key: string): void => {
  if (!isKey(key)) throw new Error(`"${key}" is no blob key`)
}

/** Throws where no key begins like this. */
export const checkPrefix = (prefix: string): void => {
  if (!isKey(`${prefix}0`)) throw new Error(`"${prefix}" is not the beginning of a blob key`)
}
