export * as Backup from "./Backup.ts"
