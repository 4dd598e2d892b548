// What the writer of cut.sh writes, and its judge expects.

/** The value of a row: of many lengths, and another one for each row. */
export const value = (row: number): string => `${row} `.repeat(row % 60)
