export * as StorageConfig from "./StorageConfig.ts"
