/**
 * Spans on public operations and on calls of storage, if a tracer is installed.
 *
 * A span costs more than the rest of a small write. So spans are made only under a tracer that the application has
 * installed, not under the default tracer, which records nothing.
 *
 * @internal
 */
import { Context, Effect, Tracer } from "effect"

/** Wraps an operation on a collection in a span of this name, if it is traced. */
export const traced = <A, E, R>(
  name: string,
  collection: string,
  operation: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> => span(name, { "tidemark.collection": collection }, operation)

/** Wraps a call of storage in a span of this name, if it is traced. */
export const tracedCall = <A, E, R>(
  name: string,
  subject: string,
  call: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> => span(name, { "tidemark.storage": subject }, call)

const span = <A, E, R>(
  name: string,
  attributes: Record<string, string>,
  operation: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.withFiber<A, E, R>((fiber) =>
    Context.getOrUndefined(fiber.context, Tracer.Tracer) === undefined
      ? operation
      : Effect.useSpan(name, { attributes }, () => operation)
  )
