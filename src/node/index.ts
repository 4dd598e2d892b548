export * as FileStorage from "./FileStorage.ts"
export * as MergeWorkers from "./MergeWorkers.ts"
