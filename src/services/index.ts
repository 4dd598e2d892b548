export * as KeyValueStore from "./KeyValueStore.ts"
