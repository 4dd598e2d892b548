/**
 * A group: commands that share a commit (group commit: Gawlick and Kinkade, "Varieties of Concurrency Control in IMS/VS
 * Fast Path", 1985). They are staged in order. One flush makes them all durable, and then they are acknowledged.
 *
 * @internal
 */
import { type Clock, type Context, Effect, Exit } from "effect"
import type { MemoryChunk } from "../engine/Collection.ts"
import * as ReadView from "../engine/ReadView.ts"
import type { RecentWrites } from "../engine/RecentWrites.ts"
import { type Place, Stage } from "../engine/Stage.ts"
import type { State } from "../engine/State.ts"
import { CollectionDestroyed, type StorageError } from "../PersistError.ts"
import type { Grouped, OpenedView } from "./Command.ts"
import type { Committer } from "./Committer.ts"
import type { Garbage } from "./Garbage.ts"
import type { Message } from "./Mailbox.ts"
import * as Metrics from "./Metrics.ts"
import { outcome } from "./Outcome.ts"

/** A staged command that waits for its group's flush. */
interface Staged {
  readonly message: Message
  /** Its reply if the group becomes durable. If the command itself was rejected, that stands either way. */
  readonly reply: Exit.Exit<unknown, unknown> | Place
}

export interface Options {
  readonly state: State
  readonly committer: Committer
  readonly garbage: Garbage
  readonly recent: RecentWrites
  readonly clock: Clock.Clock
  readonly context: Context.Context<never>
  /** For metrics of a collection, by its name. */
  readonly contextOf: (collection: string) => Context.Context<never>
}

export class Group {
  private readonly options: Options
  private readonly stage: Stage
  private readonly staged: Array<Staged> = []
  /** Write commands, and transactions. */
  private writes = 0
  private transactions = 0
  /** By the timeline, when its first transaction was added. */
  private now: number | undefined

  constructor(options: Options) {
    this.options = options
    this.stage = new Stage(options.state, options.recent)
  }

  /** Bytes of rows staged. */
  get bytes(): number {
    return this.stage.bytes
  }

  /** Validates a command against what is before it. */
  add(message: Message, request: Grouped): void {
    this.staged.push({ message, reply: this.replyTo(request) })
  }

  private replyTo(request: Grouped): Staged["reply"] {
    const { stage } = this
    switch (request._tag) {
      case "Write":
        this.writes++
        return sequenced(stage.write(request.targets))
      case "Seal":
        return sequenced(stage.seal(request.targets, request.upper))
      case "AllowCompaction":
        return sequenced(stage.allowCompaction(request.targets))
      case "CompareAndAppend":
        return sequenced(stage.compareAndAppend(request.targets))
      case "Transact":
        this.transactions++
        this.now ??= microsOf(this.options.clock)
        return sequenced(stage.transact(request, this.now))
      case "Advance":
        return sequenced(stage.advance(request.time))
      case "OpenView":
        return stage.place(request.target.id) ??
          Exit.fail(new CollectionDestroyed({ collection: request.target.name }))
    }
  }

  /** Makes everything durable, acknowledges it, and publishes it, in this order. */
  get flush(): Effect.Effect<void> {
    const { committer, context, contextOf, state } = this.options
    const { stage, staged } = this
    return Effect.suspend(() => {
      if (this.writes > 0) Metrics.writes.updateUnsafe(this.writes, context)
      if (this.transactions > 0) Metrics.transactions.updateUnsafe(this.transactions, context)
      const fatal = committer.fatal()
      if (fatal !== undefined) return Effect.sync(() => this.fail(Exit.fail(fatal)))
      if (!stage.isDirty) {
        state.seqNo = stage.seqNo
        return Effect.sync(() => this.acknowledge(state.position, false))
      }
      return Effect.map(outcome(committer.commit((writer, attempt) => stage.commit(writer, attempt))), (exit) => {
        if (Exit.isFailure(exit)) return this.fail(exit)
        Metrics.groupSize.updateUnsafe(staged.length, context)
        for (const { bytes, collection, rows } of stage.totals()) {
          Metrics.writtenRows.updateUnsafe(rows, contextOf(collection))
          Metrics.writtenBytes.updateUnsafe(bytes, contextOf(collection))
        }
        this.acknowledge(exit.value.position, true)
        committer.publish(exit.value)
      })
    })
  }

  private acknowledge(position: number, isCommitted: boolean): void {
    for (const { message, reply } of this.staged) {
      message.answer(Exit.isExit(reply) ? reply : Exit.succeed(this.opened(reply, position, isCommitted)))
    }
  }

  /** Commands that were rejected as invalid keep their own error. All others get the failure of the group. */
  private fail(failure: Exit.Exit<unknown, StorageError>): void {
    for (const { message, reply } of this.staged) {
      if (Exit.isExit(reply) && Exit.isFailure(reply)) message.answer(reply)
      else {
        Metrics.commandsFailed.updateUnsafe(1, this.options.context)
        message.answer(failure)
      }
    }
  }

  private opened(place: Place, position: number, isCommitted: boolean): OpenedView {
    const { garbage, state } = this.options
    const collection = state.collections.get(place.collection)!
    const committed = isCommitted ? chunksFrom(collection.chunks, position) : 0
    const view = ReadView.make(collection, {
      seqNo: place.seqNo,
      upper: place.upper,
      since: place.since,
      chunks: collection.chunks.length - committed + place.writes
    })
    return {
      view,
      cursor: { position, writes: place.writes },
      release: garbage.hold(ReadView.blobKeys(view))
    }
  }
}

/** What the timeline measures. */
const microsOf = (clock: Clock.Clock): number => Math.max(0, Number(clock.currentTimeNanosUnsafe() / 1000n))

const sequenced = (result: number | { readonly _tag: string }): Exit.Exit<unknown, unknown> =>
  typeof result === "number" ? Exit.succeed(result) : Exit.fail(result)

/** How many chunks, at the end, are of this log position. */
const chunksFrom = (chunks: ReadonlyArray<MemoryChunk>, position: number): number => {
  let count = 0
  while (chunks.at(-1 - count)?.position === position) count++
  return count
}
