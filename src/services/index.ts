export * as EventJournal from "./EventJournal.ts"
export * as KeyValueStore from "./KeyValueStore.ts"
