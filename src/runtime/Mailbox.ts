/**
 * The mailbox: the bounded queue between handles and the runtime's fiber.
 *
 * It is bounded in commands and in bytes. A full mailbox makes callers wait: this is the only back-pressure. Once a
 * command is in the mailbox, its position in the order is fixed, and it is executed even if its caller no longer waits.
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
import * as Sheet from "../batch/Sheet.ts"
import type { RuntimeShutdown } from "../PersistError.ts"
import type { Command } from "./Command.ts"
import * as Metrics from "./Metrics.ts"

/** A command and its pending reply. */
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

/** The reply to a request, once there is one. */
export type Reply<R extends Request.Any> = Deferred.Deferred<Request.Success<R>, Request.Error<R> | RuntimeShutdown>

export interface Mailbox {
  /** Appends a request to the order of commands, after waiting for room. The reply comes later. */
  readonly offer: <R extends Command>(request: R) => Effect.Effect<Reply<R>, RuntimeShutdown>
  /** Appends a request to the order of commands, and waits for the reply. */
  readonly submit: <R extends Command>(
    request: R
  ) => Effect.Effect<Request.Success<R>, Request.Error<R> | RuntimeShutdown>
  /** Waits for at least one message, and takes all there are. Fails with `Done` once it has ended and is empty. */
  readonly take: Effect.Effect<ReadonlyArray<Message>, Cause.Done>
  /** Frees the room of answered messages. */
  readonly release: (messages: ReadonlyArray<Message>) => Effect.Effect<void>
  /**
   * Makes writes wait until `resume`, because there is no memory for their rows. All other commands are still accepted.
   */
  readonly pause: () => void
  readonly resume: () => void
  /**
   * Accepts no more commands: later and waiting callers fail with the reason. Commands that are in the mailbox are
   * still taken.
   */
  readonly end: (why: RuntimeShutdown) => Effect.Effect<void>
  /** Waits for the end, and returns the reason. */
  readonly ended: Effect.Effect<RuntimeShutdown>
  readonly depth: () => number
}

export interface Options {
  /** Commands. */
  readonly capacity: number
  /** Bytes of rows. */
  readonly capacityBytes: number
}

/** Rows are counted in units of this many bytes. A command with fewer bytes counts as none. */
const unitBytes = 64 * 1024

export const make = Effect.fnUntraced(function*(options: Options, context: Context.Context<never>) {
  const queue = yield* Queue.bounded<Message, Cause.Done>(options.capacity)
  const clock = yield* Clock.Clock
  const budgetUnits = Math.max(1, Math.floor(options.capacityBytes / unitBytes))
  const budget = Semaphore.makeUnsafe(budgetUnits)
  const gate = Latch.makeUnsafe(true)
  const ended = Deferred.makeUnsafe<RuntimeShutdown>()

  /** Makes the message of a request, and appends it if there is room for it. */
  const accept = <R extends Command>(request: R, reply: Reply<R>): Accepted | undefined => {
    const units = Math.min(budgetUnits, unitsOf(request))
    // The class of a request determines the type of its reply. For the messages of a queue, only the types of `offer` and
    // `submit` ensure this.
    const untyped = reply as Deferred.Deferred<unknown, unknown>
    const message = new Accepted(request, untyped, clock.currentTimeMillisUnsafe(), units)
    const mayPass = units === 0 && (gate.isOpen() || !bringsRows(request))
    return mayPass && Queue.offerUnsafe(queue, message) ? undefined : message
  }

  const offer = <R extends Command>(request: R): Effect.Effect<Reply<R>, RuntimeShutdown> =>
    Effect.suspend(() => {
      const reply: Reply<R> = Deferred.makeUnsafe()
      const waiting = accept(request, reply)
      return waiting === undefined ? Effect.succeed(reply) : Effect.as(enqueue(waiting), reply)
    })

  const submit: Mailbox["submit"] = <R extends Command>(request: R) =>
    Effect.suspend(() => {
      const reply: Reply<R> = Deferred.makeUnsafe()
      const waiting = accept(request, reply)
      const replied = Deferred.await(reply)
      return waiting === undefined ? replied : Effect.andThen(enqueue(waiting), replied)
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
          Effect.onError(() => budget.release(message.units))
        )
      )
    )

  const mailbox: Mailbox = {
    offer,
    submit,
    take: Effect.map(Queue.takeAll(queue), (messages) => {
      Metrics.commandsIn.updateUnsafe(messages.length, context)
      return messages
    }),
    release: (messages) => {
      const units = messages.reduce((sum, message) => sum + message.units, 0)
      return units === 0 ? Effect.void : Effect.asVoid(budget.release(units))
    },
    // No `resume` follows the end, so that an ended mailbox must not close the gate.
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

/** The message of a request. */
class Accepted implements Message {
  readonly request: Command
  readonly acceptedAt: number
  readonly units: number
  private readonly reply: Deferred.Deferred<unknown, unknown>

  constructor(
    request: Command,
    reply: Deferred.Deferred<unknown, unknown>,
    acceptedAt: number,
    units: number
  ) {
    this.request = request
    this.reply = reply
    this.acceptedAt = acceptedAt
    this.units = units
  }

  answer(exit: Exit.Exit<unknown, unknown>): void {
    Deferred.doneUnsafe(this.reply, exit)
  }

  isAnswered(): boolean {
    return Deferred.isDoneUnsafe(this.reply)
  }
}

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

const bytesOf = (writes: ReadonlyArray<{ readonly columns: Sheet.Rows }>): number =>
  writes.reduce((sum, { columns }) => sum + Sheet.bytesOf(columns), 0)

const units = (bytes: number): number => bytes < unitBytes ? 0 : Math.ceil(bytes / unitBytes)
