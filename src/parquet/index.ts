/**
 * `tidemark/parquet`: flows to and from Parquet files. Needs the packages `hyparquet` and `hyparquet-writer`.
 *
 * @since 0.1.0
 */
export * as Parquet from "./Parquet.ts"
