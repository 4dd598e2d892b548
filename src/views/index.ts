/**
 * `tidemark/views`: incremental views over collections. Needs the package `@tanstack/db-ivm`.
 *
 * @since 0.1.0
 */
export { changes, type ChangesError, materialize } from "./Changes.ts"
export * as View from "./View.ts"
