/**
 * The mailbox: the bounded queue between handles and the runtime's fiber.
 *
 * It is bounded in commands and in bytes. A full mailbox makes the caller wait: that is the back-pressure, and the only
 * one. Once a command is in, its place in the order is fixed and its reply comes, whether or not anybody still waits.
 *
 * @internal
 */
import {
  type Cause,
  Clock,
  type Context,
  Deferred,
  Effect,
  type Exit,
  Latch,
  Queue,
  type Request,
  Semaphore
} from "effect"
import * as Columns from "../batch/Columns.ts"
import type { RuntimeShutdown } from "../PersistError.ts"
import type { Command } from "./Command.ts"
import * as Metrics from "./Metrics.ts"

/** A command with the place for its reply. */
export interface Message {
  readonly request: Command
  /** Milliseconds at which it was accepted. */
  readonly acceptedAt: number
  /** Units of the byte budget that it occupies until it is answered. */
  readonly units: number
  /** Settles the reply. Only the first call counts. */
  readonly answer: (exit: Exit.Exit<unknown, unknown>) => void
  readonly isAnswered: () => boolean
}

/** The reply to a request, once it is there. */
export type Reply<R extends Request.Any> = Deferred.Deferred<Request.Success<R>, Request.Error<R> | RuntimeShutdown>

export interface Mailbox {
  /** Puts a request in its place of the order, waiting for room. The reply comes later. */
  readonly offer: <R extends Command>(request: R) => Effect.Effect<Reply<R>, RuntimeShutdown>
  /** Puts a request in its place of the order, and waits for the reply. */
  readonly submit: <R extends Command>(
    request: R
  ) => Effect.Effect<Request.Success<R>, Request.Error<R> | RuntimeShutdown>
  /** Waits for at least one message, and takes all there are. Fails with `Done` once it has ended and is empty. */
  readonly take: Effect.Effect<ReadonlyArray<Message>, Cause.Done>
  /** Gives the room of answered messages back. */
  readonly release: (messages: ReadonlyArray<Message>) => Effect.Effect<void>
  /** Holds writes back until `resume`: there is no memory for their rows. Everything else still comes in. */
  readonly pause: () => void
  readonly resume: () => void
  /** Accepts no more: who comes now, or still waits, is told why. What is in it is still taken. */
  readonly end: (why: RuntimeShutdown) => Effect.Effect<void>
  /** Waits for the end, and says why. */
  readonly ended: Effect.Effect<RuntimeShutdown>
  readonly depth: () => number
}

export interface Options {
  /** Commands. */
  readonly capacity: number
  /** Bytes of rows. */
  readonly capacityBytes: number
}

/** Rows are counted in units of this many bytes; a command with less passes for nothing. */
const unitBytes = 64 * 1024

export const make = Effect.fnUntraced(function*(options: Options, context: Context.Context<never>) {
  const queue = yield* Queue.bounded<Message, Cause.Done>(options.capacity)
  const clock = yield* Clock.Clock
  const budgetUnits = Math.max(1, Math.floor(options.capacityBytes / unitBytes))
  const budget = Semaphore.makeUnsafe(budgetUnits)
  const gate = Latch.makeUnsafe(true)
  const ended = Deferred.makeUnsafe<RuntimeShutdown>()

  const offer = <R extends Command>(request: R): Effect.Effect<Reply<R>, RuntimeShutdown> =>
    Effect.suspend(() => {
      const reply: Reply<R> = Deferred.makeUnsafe()
      const units = Math.min(budgetUnits, unitsOf(request))
      const message: Message = {
        request,
        acceptedAt: clock.currentTimeMillisUnsafe(),
        units,
        // A request's class ties it to its reply; among the messages of a queue that tie is only in the types of `offer`.
        answer: (exit) => Deferred.doneUnsafe(reply as Deferred.Deferred<unknown, unknown>, exit),
        isAnswered: () => Deferred.isDoneUnsafe(reply)
      }
      const mayPass = gate.isOpen() || !bringsRows(request)
      if (units === 0 && mayPass && Queue.offerUnsafe(queue, message)) {
        Metrics.commandsIn.updateUnsafe(1, context)
        return Effect.succeed(reply)
      }
      return Effect.map(enqueue(message), () => reply)
    })

  const enqueue = (message: Message): Effect.Effect<void, RuntimeShutdown> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.andThen(
        restore(Effect.andThen(
          bringsRows(message.request) ? gate.await : Effect.void,
          message.units === 0 ? Effect.void : budget.take(message.units)
        )),
        restore(Queue.offer(queue, message)).pipe(
          Effect.flatMap((accepted) => accepted ? Effect.void : Effect.flatMap(mailbox.ended, Effect.fail)),
          Effect.onError(() => budget.release(message.units)),
          Effect.tap(() => Effect.sync(() => Metrics.commandsIn.updateUnsafe(1, context)))
        )
      )
    )

  const mailbox: Mailbox = {
    offer,
    submit: (request) => Effect.flatMap(offer(request), Deferred.await),
    take: Queue.takeAll(queue),
    release: (messages) => {
      const units = messages.reduce((sum, message) => sum + message.units, 0)
      return units === 0 ? Effect.void : Effect.asVoid(budget.release(units))
    },
    // Nobody is left to open the gate of a mailbox that has ended.
    pause: () => {
      if (!Deferred.isDoneUnsafe(ended)) gate.closeUnsafe()
    },
    resume: () => void gate.openUnsafe(),
    end: (why) =>
      Deferred.succeed(ended, why).pipe(
        Effect.andThen(Queue.end(queue)),
        Effect.andThen(gate.open),
        Effect.asVoid
      ),
    ended: Deferred.await(ended),
    depth: () => Queue.sizeUnsafe(queue)
  }
  return mailbox
})

const bringsRows = ({ _tag }: Command): boolean =>
  _tag === "Write" || _tag === "CompareAndAppend" || _tag === "Transact"

const unitsOf = (request: Command): number => {
  switch (request._tag) {
    case "Write":
    case "CompareAndAppend":
      return units(bytesOf(request.targets))
    case "Transact":
      return units(bytesOf(request.writes))
    default:
      return 0
  }
}

const bytesOf = (writes: ReadonlyArray<{ readonly columns: Columns.Columns }>): number =>
  writes.reduce((sum, { columns }) => sum + Columns.goodputBytes(columns), 0)

const units = (bytes: number): number => bytes < unitBytes ? 0 : Math.ceil(bytes / unitBytes)
