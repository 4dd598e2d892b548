export * as S3Storage from "./S3Storage.ts"
