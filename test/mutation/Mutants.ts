/**
 * The bugs that `npm run mutate` plants, one at a time. `find` stands in the file exactly once, and the tests named must
 * fail where `replace` stands in its place.
 */
export interface Mutant {
  readonly name: string
  readonly file: string
  readonly find: string
  readonly replace: string
  /** Of all tests those that concern it, to be quick. */
  readonly tests: ReadonlyArray<string>
}

/** A mutant: what is wrong with it, where, and which tests should notice. */
const plant = (
  name: string,
  file: string,
  find: string,
  replace: string,
  ...tests: ReadonlyArray<string>
): Mutant => ({
  name,
  file: `src/${file}`,
  find,
  replace,
  tests: tests.map((test) => `test/${test}.test.ts`)
})

const tables: ReadonlyArray<Mutant> = [
  plant(
    "transactions of one group do not see each other's writes",
    "engine/Stage.ts",
    "if (this.written.has(hash) || this.recent",
    "if (this.recent",
    "tables/Serial"
  ),
  plant(
    "a key that was written since it was read is no conflict",
    "engine/RecentWrites.ts",
    "return time < (this.newer",
    "return time > (this.newer",
    "tables/Serial"
  ),
  plant(
    "a range that was written since it was read is no conflict",
    "engine/Stage.ts",
    "if (isStaged || Transaction.isWrittenAfter(live, range, readAt))",
    "if (isStaged)",
    "tables/Serial"
  ),
  plant(
    "a change of one row does not say what it has read",
    "tables/OneRow.ts",
    "keys: [bytes], ranges: []",
    "keys: [], ranges: []",
    "tables/Serial"
  ),
  plant(
    "a row in the cache survives the commit that replaces it",
    "tables/Relation.ts",
    "if (known !== undefined) this.cache.fill(",
    "if (known !== undefined && known.row === undefined) this.cache.fill(",
    "tables/Serial"
  ),
  plant(
    "the cache takes a row that a commit may have replaced",
    "tables/RowCache.ts",
    "if (known.generation !== this.newer && known.generation !== this.older) return\n    known.from",
    "known.from",
    "tables/RowCache"
  ),
  plant(
    "a row keeps the index entry that it had",
    "tables/Indexes.ts",
    "if (old !== undefined) entries.entry(",
    "if (old !== undefined && next === undefined) entries.entry(",
    "tables/Serial"
  ),
  plant(
    "two commits have one time",
    "engine/Stage.ts",
    "this.timeline = Math.max(this.timeline, time + 1)",
    "this.timeline = Math.max(this.timeline, time)",
    "tables/Serial"
  ),
  plant(
    "a turn is not handed on",
    "tables/Turns.ts",
    "Deferred.doneUnsafe(next, Exit.void)",
    "void next",
    "tables/Turns"
  )
]

const smallWrites: ReadonlyArray<Mutant> = [
  plant(
    "a sheet is used again while a write waits in it",
    "batch/Sheet.ts",
    "if (--this.ranges > 0 || this.isInUse) return",
    "if (--this.ranges < 0 || this.isInUse) return",
    "batch/Sheet",
    "client/SmallWrites"
  ),
  plant(
    "what a failed write has added to a sheet is the next one's",
    "batch/Sheet.ts",
    "builder.cut(start)",
    "builder.rollback()",
    "batch/Sheet"
  ),
  plant(
    "rows behind a rejected write are copied from before it",
    "batch/Sheet.ts",
    "|| next.start !== end) break",
    ") break",
    "batch/Sheet",
    "client/SmallWrites"
  ),
  plant(
    "an operation of storage without an end has no deadline",
    "runtime/Deadlines.ts",
    "timer ??= Effect.runForkWith(context)(untilNone)",
    "timer ??= Effect.runForkWith(context)(Effect.never)",
    "runtime/Timeouts"
  )
]

const files: ReadonlyArray<Mutant> = [
  plant(
    "an append is not flushed",
    "node/File.ts",
    "append: O_RDWR | rules.writeThrough",
    "append: O_RDWR",
    "crash/Files"
  ),
  plant(
    "a blob is not flushed",
    "node/File.ts",
    "Effect.andThen(writeInPieces(fd, bytes, 0), sync(fd))",
    "writeInPieces(fd, bytes, 0)",
    "crash/Files"
  ),
  plant(
    "a blob's directory is not flushed",
    "node/FileBlob.ts",
    "yield* File.syncDirectory(dirname(path))",
    "",
    "crash/Files"
  ),
  plant(
    "the log's directory is not flushed for a new segment",
    "node/SegmentFile.ts",
    "File.rename(joining.prepared, joining.path)),\n      Effect.andThen(File.syncDirectory(directory.log))",
    "File.rename(joining.prepared, joining.path))",
    "crash/Files"
  ),
  plant(
    "a segment joins the log before its header is written",
    "node/SegmentFile.ts",
    "yield* Effect.onError(File.writeDurably(fd, header, 0),",
    "yield* File.rename(prepared, path)\n    yield* Effect.onError(File.writeDurably(fd, header, 0),",
    "crash/Files"
  ),
  plant(
    "the parents of a new directory are not flushed",
    "node/File.ts",
    "first === undefined ? Effect.void : syncParents(resolve(path), dirname(resolve(first)))",
    "Effect.void",
    "crash/Files"
  ),
  plant(
    "a segment is used again before it has lost its name",
    "node/Truncation.ts",
    "      yield* File.syncDirectory(directory.log)\n      supply.keep",
    "      supply.keep",
    "crash/Files",
    "node/Recycling"
  ),
  plant(
    "segments that are let go are thrown away under load",
    "node/SegmentSupply.ts",
    "Math.min(taken, keptSegments)",
    "Math.min(taken, 3)",
    "node/Recycling"
  ),
  plant(
    "a segment of an older epoch is used again",
    "node/Truncation.ts",
    "epoch === lock.epoch && base",
    "base",
    "node/Recycling",
    "node/FileStorage"
  ),
  plant(
    "segments that are still needed are forgotten",
    "node/Truncation.ts",
    "next <= before",
    "next <= before + 1",
    "node/FileStorage",
    "crash/Files"
  ),
  plant(
    "an epoch is given out twice",
    "node/Lock.ts",
    "Math.max(last, yield* lastEpoch) + 1",
    "Math.max(last, yield* lastEpoch, 1)",
    "node/Processes",
    "node/FileStorage"
  ),
  plant(
    "a lease expires although heartbeats come",
    "node/Lease.ts",
    "if (before.modified !== modified) return",
    "if (before.modified === -1n) return",
    "node/Lease"
  ),
  plant(
    "a rival counts the time for which it was stopped",
    "node/Lease.ts",
    "Math.min(Number(at - before.at) / nanosPerMilli, 2 * pauseOf(leaseMillis))",
    "Number(at - before.at) / nanosPerMilli",
    "node/Lease"
  ),
  plant(
    "a process of another pid namespace is looked up",
    "node/LockHolder.ts",
    "holder.pidNamespace === machine.pidNamespace && ",
    "",
    "node/Lease"
  ),
  plant(
    "on macOS a write counts as a flush of the drive's cache",
    "node/PlatformRules.ts",
    "writeThrough !== 0 && platform !== \"darwin\"",
    "writeThrough !== 0",
    "node/Platforms"
  ),
  plant(
    "rows take the space that was freed for a destruction",
    "node/LogWriter.ts",
    "rotation.isReady(size) && !reserve.isShort()",
    "rotation.isReady(size)",
    "node/FullDisk"
  ),
  plant(
    "a fenced writer acknowledges",
    "node/FrameAppender.ts",
    "if (!authority.isHeld()) return resume(",
    "if (upper < 0) return resume(",
    "testing/simulation/Rivals"
  ),
  plant(
    "a later process with the id of a dead one counts as it",
    "node/LockHolder.ts",
    "(startTime === \"\" || startTime === state.startTime)",
    "startTime !== \"x\"",
    "node/Processes"
  ),
  plant(
    "a dead process holds its lock",
    "node/LockHolder.ts",
    "if (state === undefined) return exists(pid)",
    "if (state === undefined) return true",
    "crash/Kills",
    "node/Processes"
  ),
  plant(
    "the checksum of a frame is not looked at",
    "storage/Segment.ts",
    "if (view.getUint32(at, true) !== Platform.crc32(bytes.subarray(at + 4, at + claim.size), seed)) return undefined",
    "if (seed < 0) return undefined",
    "node/Recovery",
    "crash/Files"
  ),
  plant(
    "a frame's checksum does not go on from its segment's",
    "storage/Segment.ts",
    "bytes.subarray(at + 4, at + claim.size), seed)) return undefined",
    "bytes.subarray(at + 4, at + claim.size), 0)) return undefined",
    "node/Recovery"
  ),
  plant(
    "the checksum of a segment's header is not looked at",
    "storage/Segment.ts",
    "if (seed !== Platform.crc32(bytes.subarray(0, headerBytes - 4)))",
    "if (seed < 0)",
    "node/Recovery",
    "hostile/Bytes"
  ),
  plant(
    "a torn tail is not cut",
    "node/LogRecovery.ts",
    "if (link.next === undefined && run.end !== \"closed\") yield* close(",
    "if (link.next === undefined && run.end === \"closed\") yield* close(",
    "node/Recovery",
    "node/Faults"
  ),
  plant(
    "damage before valid frames counts as a torn tail",
    "node/LogRecovery.ts",
    "else if (run.end === \"open\") yield* SegmentList.checkTail(",
    "else if (link.base < 0) yield* SegmentList.checkTail(",
    "node/Recovery"
  ),
  plant(
    "what a writer of an older epoch puts into the log counts",
    "storage/SegmentChain.ts",
    "if (file.epoch < epoch) superseded.push(file.path)",
    "if (file.epoch < 0) superseded.push(file.path)",
    "node/Recovery",
    "node/Processes"
  ),
  plant(
    "a reader does not wait for a takeover",
    "node/LogReader.ts",
    "if (!(yield* Lock.isSucceeded(directory, machine, link.epoch))) return",
    "if (link.epoch > 0) return",
    "node/Processes"
  ),
  plant(
    "a writer that was fenced while it opened the log adds its segment",
    "node/SegmentFile.ts",
    "Effect.tap(Lock.confirm(lock)),",
    "",
    "node/Races"
  ),
  plant(
    "a lock file of another process counts as one's own",
    "node/Lock.ts",
    "return fs.statSync(path, { bigint: true }).ino === ino",
    "return fs.statSync(path, { bigint: true }).ino >= 0n",
    "node/Unlock"
  ),
  plant(
    "a reader does not flush what it has read of another's log",
    "node/LogReader.ts",
    "yield* File.syncData(fd)",
    "",
    "node/FileStorage",
    "node/Processes",
    "node/Recovery",
    "node/Faults"
  )
]

const bytes: ReadonlyArray<Mutant> = [
  plant(
    "the checksum of a block is not looked at",
    "batch/BatchFile.ts",
    "bytes.length !== block.length || Platform.crc32(bytes) !== block.crc",
    "bytes.length !== block.length",
    "batch/BatchFile"
  ),
  plant(
    "the checksum of a footer is not looked at",
    "batch/BatchFile.ts",
    "if (Platform.crc32(bytes) !== trailer.footerCrc)",
    "if (bytes.length === 0)",
    "batch/BatchFile"
  ),
  plant(
    "the checksum of a trailer is not looked at",
    "batch/BatchFile.ts",
    "crc !== Platform.crc32(trailer.subarray(0, 20)) || ",
    "crc < 0 || ",
    "batch/BatchFile"
  ),
  plant(
    "the checksum of a rollup is not looked at",
    "engine/Rollup.ts",
    "Platform.crc32(bytes.subarray(0, 12))) !== crc",
    "Platform.crc32(bytes.subarray(0, 12))) < 0",
    "engine/Codecs"
  ),
  plant(
    "a count is believed, whatever it says",
    "ByteReader.ts",
    "if (count * minimum > this.remaining)",
    "if (count < 0)",
    "hostile/Bytes",
    "engine/Codecs",
    "batch/Block"
  ),
  plant(
    "a block may decompress to anything",
    "Platform.ts",
    "      maxOutputLength: Math.max(1, length),\n",
    "",
    "hostile/Bytes"
  ),
  plant(
    "a merge may change the multiset checksum",
    "batch/MergeJob.ts",
    "const isConserved = this.given === this.taken.value() ||",
    "const isConserved = this.given >= 0n ||",
    "batch/MergeJob"
  )
]

const rows: ReadonlyArray<Mutant> = [
  plant(
    "a row is taken back by another value",
    "batch/Cancellation.ts",
    " && Compare.isSameRow(other, otherRow, columns, row)",
    "",
    "batch/Cancellation"
  ),
  plant(
    "rows cancel out that can still be distinguished",
    "batch/Cancellation.ts",
    "time <= since && this.cancel(columns, row)",
    "this.cancel(columns, row)",
    "batch/Cancellation"
  ),
  plant(
    "a long value is taken back by another one of its length, after a rewrite in the nemesis",
    "batch/Cancellation.ts",
    " && Compare.isSameRow(other, otherRow, columns, row)",
    "",
    "testing/nemesis/Nemesis"
  ),
  plant(
    "a long value is taken back by another one of its length, after a rewrite in the crash tests",
    "batch/Cancellation.ts",
    " && Compare.isSameRow(other, otherRow, columns, row)",
    "",
    "crash/Memory"
  ),
  plant(
    "versions of a long value cancel out that can still be distinguished",
    "batch/Cancellation.ts",
    "time <= since && this.cancel(columns, row)",
    "this.cancel(columns, row)",
    "testing/nemesis/Nemesis"
  ),
  plant(
    "a packed write has lost its last row when it is read, in the nemesis",
    "engine/PackedWrite.ts",
    "  return columns\n",
    "  return Columns.slice(columns, 0, columns.length - 1)\n",
    "testing/nemesis/Nemesis"
  ),
  plant(
    "a packed write has lost its last row when it is read, in the crash tests",
    "engine/PackedWrite.ts",
    "  return columns\n",
    "  return Columns.slice(columns, 0, columns.length - 1)\n",
    "crash/Memory"
  ),
  plant(
    "a policy gives up one time too far",
    "client/Retention.ts",
    "upper - Math.max(1, count)",
    "upper - Math.max(0, count - 1)",
    "client/Retention",
    "testing/nemesis/Processes"
  ),
  plant(
    "a nemesis sees a policy that gives up one time too far",
    "client/Retention.ts",
    "upper - Math.max(1, count)",
    "upper - Math.max(0, count - 1)",
    "testing/nemesis/Processes"
  ),
  plant(
    "persist passes rows on before they are durable",
    "operators/Persist.ts",
    "if (ack === undefined || event._tag !== \"Updates\") return",
    "if (ack === undefined || event._tag === \"Updates\") return",
    "operators/Persist"
  ),
  plant(
    "a nemesis sees rows that persist passes on before they are durable",
    "operators/Persist.ts",
    "if (ack === undefined || event._tag !== \"Updates\") return",
    "if (ack === undefined || event._tag === \"Updates\") return",
    "testing/nemesis/Processes"
  ),
  plant(
    "an operator drops the error of a row that does not encode",
    "operators/Upsert.ts",
    "return Effect.succeed([refuse(\"Refused\", refusal(error), changes[0]!.time)])",
    "return Effect.succeed([])",
    "testing/nemesis/Processes"
  ),
  plant("a seal completes its own time", "Frontier.ts", "=> time < frontier", "=> time <= frontier", "Frontier"),
  plant(
    "rows with the same key, value and time are not summed",
    "batch/Consolidate.ts",
    "if (advanced === heldTime) sum.add",
    "if (advanced < 0) sum.add",
    "batch/Consolidate"
  ),
  plant(
    "consolidation does not advance times",
    "batch/Consolidate.ts",
    "Math.max(time, since)",
    "time",
    "batch/Consolidate"
  ),
  plant(
    "a sum of diffs may be rounded",
    "batch/DiffSum.ts",
    "if (Number.isSafeInteger(sum)) return sum",
    "if (Number.isInteger(sum)) return sum",
    "batch/Consolidate"
  ),
  plant(
    "a merge takes the rows at the end of its window",
    "batch/Merge.ts",
    "columns.times[row]! < upper\n",
    "columns.times[row]! <= upper\n",
    "batch/Merge"
  ),
  plant(
    "a merge keeps rows that cancel out",
    "batch/Merge.ts",
    "if (diff !== 0) out.push(",
    "out.push(",
    "batch/Merge"
  ),
  plant(
    "a snapshot leaves out its own time",
    "client/Snapshot.ts",
    "toTime: asOf + 1",
    "toTime: asOf",
    "client/Reading"
  ),
  plant(
    "a listener receives what its snapshot has",
    "client/Listen.ts",
    "entry.position === cursor.position ? cursor.writes : 0",
    "0",
    "client/Listening",
    "testing/nemesis/Nemesis"
  ),
  plant(
    "a listener loses the commit after its snapshot",
    "client/Listen.ts",
    "let { position } = cursor",
    "let position = cursor.position + 1",
    "testing/nemesis/Nemesis"
  ),
  plant(
    "a key at the end of a block is not found",
    "batch/BatchFile.ts",
    "compareBytes(blocks[middle]!.maxKey, key) >= 0",
    "compareBytes(blocks[middle]!.maxKey, key) > 0",
    "batch/BatchFile"
  )
]

const engine: ReadonlyArray<Mutant> = [
  plant(
    "a flush leaves rows in memory that no longer count there",
    "engine/Plan.ts",
    "chunk.position < first.position || chunk.minTime >= sealed",
    "chunk.position < first.position || chunk.minTime >= 0",
    "engine/Plan"
  ),
  plant(
    "a point read takes rows of two times for one",
    "client/PointRead.ts",
    "last !== undefined && last.time === time && fits",
    "last !== undefined && fits",
    "runtime/Programs"
  ),
  plant(
    "a point read forgets one of two equal rows",
    "client/PointRead.ts",
    "isSame) last.diff += diff",
    "isSame) last.diff = diff",
    "runtime/Programs"
  ),
  plant(
    "a row is paired with one of another diff",
    "client/KeyTable.ts",
    "return ours.diffs[i] === -theirs.diffs[j]! && Compare",
    "return Compare",
    "client/KeyIndex"
  ),
  plant(
    "a pair is hidden from a read of a time between its rows",
    "client/KeyTable.ts",
    "counts(times, added) && counts(times, takenBack) && Math",
    "counts(times, added) && Math",
    "client/KeyIndex"
  ),
  plant(
    "a pair is hidden from a read that tells its times apart",
    "client/KeyTable.ts",
    "last < toTime && last <= since",
    "last < toTime",
    "client/KeyIndex"
  ),
  plant(
    "a read takes pairs for ordered by time that are not",
    "client/KeyTable.ts",
    "const last = this.isInOrder ? takenBack : this.last",
    "const last = takenBack",
    "client/KeyIndex"
  ),
  plant(
    "a read does not see that the first row of a pair has been moved out",
    "client/KeyTable.ts",
    "return this.first >= fromTime && last",
    "return last",
    "client/KeyIndex"
  ),
  plant(
    "a pair is hidden from a view that has only its first row",
    "client/KeyTable.ts",
    "if (row < end && isHidden(",
    "if (isHidden(",
    "client/KeyIndex"
  ),
  plant(
    "a row that took back another one is in two lists of a larger table",
    "client/KeyTable.ts",
    "else if (partner < row) this",
    "else this",
    "client/KeyIndex"
  ),
  plant(
    "rows after the one that was taken back are lost",
    "client/KeyTable.ts",
    "else entries[after * entry.size + entry.before] = this.before(other)",
    "else this.last[last] = this.before(other)",
    "client/KeyIndex"
  ),
  plant(
    "rows in memory are never paired",
    "client/KeyTable.ts",
    "const looks = diffs[at]! < 0 ?",
    "const looks = diffs[at]! < -Infinity ?",
    "client/KeyIndex"
  ),
  plant(
    "a point read leaves out a batch that is not in memory",
    "client/PointRead.ts",
    "if (footer === undefined) return { part }",
    "if (footer === undefined) continue",
    "runtime/Programs",
    "testing/nemesis/Nemesis"
  ),
  plant(
    "a compacted store keeps the log's spare segments",
    "runtime/LogRetention.ts",
    "    yield* mailbox.submit(new Command.Rotate())\n",
    "",
    "node/Recycling"
  ),
  plant(
    "a write below a seal is taken",
    "engine/Stage.ts",
    "if (rows.times[i]! < upper)",
    "if (rows.times[i]! + 1 < upper)",
    "engine/Stage"
  ),
  plant(
    "a seal moves back",
    "engine/Stage.ts",
    "if (upper < pending.upper) {",
    "if (upper < 0) {",
    "engine/Stage"
  ),
  plant(
    "a since moves back",
    "engine/Stage.ts",
    "if (target.since < pending.since) {",
    "if (target.since < 0) {",
    "engine/Stage"
  ),
  plant(
    "everybody wins a compare-and-append",
    "engine/Stage.ts",
    "if (pending.upper !== target.expected) {",
    "if (pending.upper < 0) {",
    "engine/Stage"
  ),
  plant(
    "an outdated swap is applied",
    "engine/State.ts",
    "if (violation !== undefined) return violation\n",
    "",
    "engine/State"
  ),
  plant(
    "other codecs than the registered ones are taken",
    "engine/Evolution.ts",
    "if (name !== stored.name && earlierNames.get(name) !== stored.name) {",
    "if (name === undefined) {",
    "client/Reading"
  ),
  plant(
    "a destroyed collection comes back unasked",
    "runtime/Solo.ts",
    "state.destroyed.has(name) && !recreate",
    "state.destroyed.has(name) && recreate === undefined",
    "runtime/Commands",
    "traces"
  ),
  plant(
    "a rollup leaves out the last rows that it lets go",
    "engine/Rollup.ts",
    "chunk.position < logFrom",
    "chunk.position + 1 < logFrom",
    "crash/Memory",
    "runtime/Programs"
  ),
  plant(
    "recovery brings rows back that are in a batch",
    "engine/State.ts",
    "position < collection.chunksFrom",
    "position + 1 < collection.chunksFrom",
    "engine/State"
  ),
  plant(
    "a merge forgets which rows are in batches",
    "engine/Collection.ts",
    "self.chunksFrom = Math.max(self.chunksFrom, change.chunksBefore)",
    "self.chunksFrom = change.chunksBefore",
    "engine/State"
  ),
  plant(
    "a subscription resumes at since, and receives history twice",
    "client/Subscription.ts",
    "if (base < since) {",
    "if (next < since) {",
    "client/Listening",
    "testing/nemesis/Nemesis"
  ),
  plant(
    "recovery begins at the oldest rollup",
    "runtime/Recovery.ts",
    "entries.findLast((entry)",
    "entries.find((entry)",
    "crash/Memory",
    "runtime/Commands"
  )
]

const order: ReadonlyArray<Mutant> = [
  plant(
    "writes are answered before they are durable",
    "runtime/Group.ts",
    "      return Effect.map(outcome(committer.commit(",
    "      for (const { message, reply } of staged) if (Exit.isExit(reply)) message.answer(reply)\n" +
      "      return Effect.map(outcome(committer.commit(",
    "crash/Memory",
    "runtime/Commands"
  ),
  plant(
    "a commit is visible before it is durable",
    "runtime/Committer.ts",
    "      const { bytes } = yield* Effect.tapError(journal.append(state.position, commit), note)\n",
    "      State.apply(state, commit, location)\n      state.position--\n" +
      "      const { bytes } = yield* Effect.tapError(journal.append(state.position, commit), note)\n",
    "crash/Memory",
    "runtime/Commands"
  ),
  plant(
    "the nonce of an entry is not looked at",
    "runtime/UnknownAppend.ts",
    "if (found.writer === commit.writer && found.attempt === commit.attempt) return true",
    "if (found.writer >= 0) return true",
    "runtime/Fencing"
  ),
  plant(
    "an append of unknown outcome counts as applied",
    "runtime/UnknownAppend.ts",
    "return overtaken === undefined ? false : yield* overtaken",
    "return overtaken === undefined ? true : yield* overtaken",
    "crash/Memory",
    "runtime/Fencing"
  ),
  plant(
    "an append of unknown outcome counts as lost",
    "runtime/UnknownAppend.ts",
    "found.attempt === commit.attempt) return true",
    "found.attempt === commit.attempt) return false",
    "crash/Memory",
    "runtime/Fencing"
  ),
  plant(
    "a log of unknown end is appended to",
    "runtime/Journal.ts",
    "if (unknown.exists()) return inDoubt(\"appending\"",
    "if (unknown === null) return inDoubt(\"appending\"",
    "runtime/Fencing"
  ),
  plant(
    "a takeover while an append was unknown is not noticed",
    "runtime/Tenure.ts",
    "log.acquireAfter(writer.epoch)",
    "log.acquire",
    "runtime/Fencing"
  ),
  plant(
    "the log in memory ignores the epoch",
    "storage/MemoryStorage.ts",
    "if (state.epoch !== epoch)",
    "if (state.epoch < epoch)",
    "storage/MemoryStorage"
  ),
  plant(
    "a merge that is begun again keeps the files of the one that died",
    "runtime/Rewriter.ts",
    "    const current: Merged = { parts: [], erased: 0 }\n    merged = current\n",
    "    const current = merged\n",
    "testing/simulation/Rivals"
  ),
  plant(
    "blobs are deleted before the commit that unnames them",
    "runtime/Rewrites.ts",
    "      const isApplied = yield* naming(",
    "      for (const { parts } of planned.trace) for (const { key } of parts) yield* Effect.ignore(options.blob.delete(key))\n" +
      "      const isApplied = yield* naming(",
    "crash/Memory",
    "runtime/Maintenance"
  ),
  plant(
    "what an interrupted job has stored stays new for ever",
    "runtime/NewBlobs.ts",
    "              remove(keys)\n",
    "",
    "runtime/NewBlobs"
  ),
  plant(
    "blobs of a command that may have been applied are garbage",
    "runtime/NewBlobs.ts",
    "} else if (!isDefinite(exit.cause)) {",
    "} else if (exit.cause === undefined) {",
    "runtime/NewBlobs",
    "crash/Memory"
  ),
  plant(
    "a rollup is named before it is stored",
    "runtime/LogRetention.ts",
    "Effect.andThen(options.blob.put(key, bytes), naming(submit, () => [key]))",
    "Effect.andThen(naming(submit, () => [key]), options.blob.put(key, bytes))",
    "crash/Memory"
  ),
  plant(
    "the log is truncated before the rollup is named",
    "runtime/LogRetention.ts",
    "naming(submit, () => [key]))",
    "Effect.andThen(journal.truncate(logFrom), naming(submit, () => [key])))",
    "crash/Memory"
  ),
  plant(
    "the log is truncated under a slow listener",
    "runtime/LogRetention.ts",
    "Math.min(firstOfLast(freed, kept) ?? logFrom, pins.lowest())",
    "firstOfLast(freed, kept) ?? logFrom",
    "client/Listening",
    "runtime/Maintenance"
  ),
  plant(
    "a fenced writer sweeps blobs that it does not know",
    "runtime/GarbageCollector.ts",
    "  yield* confirm\n",
    "",
    "runtime/GarbageCollector"
  ),
  plant(
    "a writer does not ask whether it was taken over before it deletes",
    "runtime/GarbageCollector.ts",
    "    const held = yield* settled.pipe(\n      Effect.andThen(isWriter),",
    "    const held = yield* Effect.void.pipe(",
    "runtime/GarbageCollector"
  ),
  plant(
    "nothing sweeps what a crash left behind",
    "runtime/Maintenance.ts",
    "if (collector.isSweepDue()) yield* jobs.run(collector.sweep)",
    "",
    "crash/Memory"
  ),
  plant(
    "blobs that a snapshot reads are deleted",
    "runtime/Garbage.ts",
    "added <= addedBy && !held.has(key)",
    "added <= addedBy",
    "runtime/Garbage"
  ),
  plant(
    "a segment that held what was erased is used again",
    "node/Truncation.ts",
    " && base >= recycledFrom",
    "",
    "client/Erasing"
  ),
  plant(
    "what was erased stays in the log under a slow listener",
    "runtime/Eraser.ts",
    "    yield* retention.truncateAll\n",
    "",
    "client/Erasing"
  ),
  plant(
    "what was erased stays in a blob without a reference",
    "runtime/Eraser.ts",
    "    yield* collector.sweep\n",
    "",
    "client/Erasing"
  ),
  plant(
    "readers in other processes are given no time",
    "runtime/Garbage.ts",
    "added <= addedBy && !held.has(key)",
    "!held.has(key)",
    "runtime/Garbage"
  ),
  plant(
    "a blob is held for ever",
    "runtime/Garbage.ts",
    "if (count === 1) held.delete(key)",
    "if (count === 0) held.delete(key)",
    "runtime/Garbage"
  ),
  plant(
    "blobs that a named hold keeps are deleted",
    "runtime/GarbageCollector.ts",
    "const keys = taken.filter((key) => !held.has(key))",
    "const keys = taken",
    "client/Holds"
  ),
  plant(
    "a hold is taken of what may be gone already",
    "runtime/Hold.ts",
    "[...State.blobKeys(state)].every((key) => named.has(key))",
    "named.size >= 0",
    "client/Holds"
  ),
  plant(
    "a writer that was taken over holds what may be gone already",
    "runtime/OwnedStore.ts",
    "options.taking(Effect.map(confirm, () => state), measured)",
    "options.taking(Effect.map(sync, () => state), measured)",
    "runtime/Fencing"
  ),
  plant(
    "a hold shows what is being erased",
    "runtime/Hold.ts",
    "after.logFrom <= position && ",
    "",
    "client/Erasing"
  ),
  plant(
    "an erasure leaves the rows of its key where they are",
    "runtime/Rewriter.ts",
    "without === undefined ? input.open() : erasing(input, without, erase)",
    "input.open()",
    "client/Erasing",
    "testing/nemesis/Nemesis"
  ),
  plant(
    "an erasure is done before everything is deleted",
    "runtime/Eraser.ts",
    "yield* jobs.alone(collector.collectAll)\n",
    "yield* collector.collectAll\n",
    "client/Erasing"
  ),
  plant(
    "a hold outlives an erasure",
    "runtime/Eraser.ts",
    "    yield* collector.releaseHolds\n",
    "",
    "client/Erasing"
  ),
  plant(
    "a hold that is lost is taken for damage",
    "runtime/Hold.ts",
    "            alive ? new Corrupt(",
    "            alive || true ? new Corrupt(",
    "client/Holds"
  ),
  plant(
    "a hold that was not taken to its end is resumed",
    "runtime/Hold.ts",
    "found.beats.length > 0 ? yield* HoldFiles.read(found, blob) : undefined",
    "yield* HoldFiles.read(found, blob)",
    "client/Holds"
  ),
  plant(
    "holds expire while the writer sleeps",
    "runtime/HoldWatch.ts",
    "Math.min(now - known.lookedAt, leaseMillis * share)",
    "now - known.lookedAt",
    "runtime/HoldWatch"
  ),
  plant(
    "signs of life are not seen",
    "runtime/HoldWatch.ts",
    "known.beats === beats ? known.silentMillis + passed : 0",
    "known.silentMillis + passed",
    "runtime/HoldWatch"
  ),
  plant(
    "a hold never expires",
    "runtime/HoldWatch.ts",
    "return known.silentMillis < leaseMillis",
    "return true",
    "runtime/HoldWatch"
  ),
  plant(
    "gc deletes what a hold keeps",
    "runtime/Orphans.ts",
    "!isKept(key)",
    "key !== \"\"",
    "cli/Verify"
  ),
  plant(
    "a collected blob may be one that a hold keeps",
    "runtime/GarbageCollector.ts",
    "const keys = taken.filter((key) => !held.has(key))",
    "const keys = taken",
    "client/Holds",
    "testing/nemesis/Processes"
  ),
  plant(
    "a collection forgets the schemas that it had",
    "engine/Collection.ts",
    "self.earlier = documents(self)",
    "self.earlier = []",
    "client/Evolution",
    "testing/nemesis/Processes"
  ),
  plant(
    "compareAndAppend of several collections writes rows of the first alone",
    "engine/Stage.ts",
    "      this.append(pending, target.columns)\n      pending.upper = target.upper",
    "      if (target === targets[0]) this.append(pending, target.columns)\n      pending.upper = target.upper",
    "client/MultiWriter",
    "testing/nemesis/Nemesis"
  ),
  plant(
    "ingest --resume repeats the rows of an interrupted run",
    "cli/Leftovers.ts",
    "return update.diff - used",
    "return update.diff",
    "cli/Commands",
    "cli/Processes"
  )
]

/** Schemas that evolve. */
const schemas: ReadonlyArray<Mutant> = [
  plant(
    "a field that is gone is no break",
    "engine/SchemaDiff.ts",
    "found.push(breaking(at, \"the field is gone\"))",
    "found.push(additive(at, \"the field is gone\"))",
    "engine/SchemaDiff"
  ),
  plant(
    "any alternative of a union may read what was stored, not the first that fits",
    "engine/SchemaDiff.ts",
    "if (mayLose(by)) return { by, differences }",
    "",
    "engine/SchemaDiff"
  ),
  plant(
    "an object without a word on further keys keeps none",
    "engine/SchemaDiff.ts",
    "additionalProperties === undefined ? anything :",
    "",
    "engine/SchemaDiff"
  ),
  plant(
    "a key may change as a value may",
    "engine/Evolution.ts",
    "isBreaking || part === \"key\"",
    "isBreaking",
    "client/Evolution"
  ),
  plant(
    "a schema that differs in words only is kept",
    "engine/Evolution.ts",
    "if (differences.length > 0) isNew = true",
    "isNew = true",
    "client/Evolution"
  ),
  plant(
    "a reader takes a schema that breaks",
    "client/OpenCollection.ts",
    "change === undefined || change._tag === \"Evolve\" ? Effect.succeed(registration) : Effect.fail(change)",
    "Effect.succeed(registration)",
    "client/Evolution"
  ),
  plant(
    "a collection that is loaded does not remember its new schema",
    "client/OpenCollection.ts",
    "Effect.andThen(find(store, name, options), register(name, { ...options, recreate: false }))",
    "find(store, name, options)",
    "client/Evolution"
  ),
  plant(
    "a rollup forgets earlier schemas",
    "engine/Rollup.ts",
    "earlier.length > 0",
    "earlier.length < 0",
    "client/Evolution"
  ),
  plant(
    "a commit that an older program cannot read looks as if it could",
    "engine/Commit.ts",
    "Math.max(highest, packed[i] === undefined ? versionOf(change) : 4)",
    "highest",
    "engine/Codecs"
  )
]

export const mutants: ReadonlyArray<Mutant> = [
  ...files,
  ...bytes,
  ...rows,
  ...engine,
  ...order,
  ...schemas,
  ...tables,
  ...smallWrites
]
