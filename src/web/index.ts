export * as IndexedDbStorage from "./IndexedDbStorage.ts"
export * as OpfsStorage from "./OpfsStorage.ts"
