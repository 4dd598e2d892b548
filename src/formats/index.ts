/**
 * `tidemark/formats`: flows to and from the formats of other programs.
 *
 * @since 0.1.0
 */
export * as Csv from "./Csv.ts"
export * as Debezium from "./Debezium.ts"
export * as Ndjson from "./Ndjson.ts"
export * as Typed from "./Typed.ts"
