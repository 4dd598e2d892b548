export * as Table from "./Table.ts"
