export * as BlobContract from "./BlobContract.ts"
export * as Contract from "./Contract.ts"
export * as LogContract from "./LogContract.ts"
