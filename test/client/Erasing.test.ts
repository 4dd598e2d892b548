import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Layer, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import fs from "node:fs"
import { join } from "node:path"
import * as BatchFile from "../../src/batch/BatchFile.ts"
import type { CollectionReader } from "../../src/client/CollectionReader.ts"
import * as PersistClient from "../../src/client/PersistClient.ts"
import type { Row } from "../../src/client/Snapshot.ts"
import * as Prng from "../../src/testing/Prng.ts"
import * as Update from "../../src/Update.ts"
import { directory, inScope, layerOf } from "../node/Temporary.ts"
import * as Store from "../utils/Store.ts"

/** A text that nothing else contains, and that does not compress. */
const secretOf = (prng: Prng.Prng): string =>
  Array.from({ length: 24 }, () => "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"[prng.int(62)]).join(
    ""
  )

/** Everything that is in a file, in plain text: blocks of batches are decompressed. */
const plain = (path: string): Buffer => {
  const bytes = fs.readFileSync(path)
  if (!path.includes("/batch/")) return bytes
  const trailer = BatchFile.readTrailer(bytes.subarray(-BatchFile.trailerBytes), bytes.length, path)
  const { footerLength, footerOffset } = trailer
  const footer = BatchFile.readFooter(bytes.subarray(footerOffset, footerOffset + footerLength), trailer, path)
  const blocks = footer.blocks.flatMap((block) => {
    const columns = BatchFile.readBlock(block, bytes.subarray(block.offset, block.offset + block.length), path)
    return [columns.keyData, columns.valueData]
  })
  return Buffer.concat([bytes, ...blocks])
}

/** The files below a directory that contain one of the texts. */
const filesWith = (root: string, ...texts: ReadonlyArray<string>): ReadonlyArray<string> =>
  fs.readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => texts.some((text) => plain(path).includes(text)))

/** The contents as of each time that can be read, and of everything. */
const history = (client: PersistClient.PersistClient["Service"], read: CollectionReader<string, string>) =>
  Effect.gen(function*() {
    const { since, upper } = yield* client.description(read.name)
    const all: Array<ReadonlyArray<Row<string, string>>> = []
    for (let time = since; time < upper; time++) all.push(yield* Store.contents(read, time))
    return [...all, yield* Store.contents(read)]
  })

const without = (all: ReadonlyArray<ReadonlyArray<Row<string, string>>>, key: string) =>
  all.map((rows) => rows.filter(([found]) => found !== key))

const open = (path: string) =>
  Effect.flatMap(
    Layer.build(Layer.fresh(layerOf(path, 4096))),
    (storage) => Effect.provide(PersistClient.make(Store.tiny), storage)
  )

describe("erase", () => {
  for (let seed = 0; seed < 6; seed++) {
    it.effect(`leaves no byte of the key in any file, and everything else as it was: seed ${seed}`, () =>
      Effect.gen(function*() {
        const path = join(yield* directory, "store")
        const prng = Prng.make(seed)
        const [key, ...values] = Array.from({ length: 4 }, () => secretOf(prng)) as [string, ...Array<string>]
        const expected = yield* inScope(Effect.gen(function*() {
          const client = yield* open(path)
          const { reader, writer } = yield* client.createOrLoad("people", Store.text)
          const other = yield* client.createOrLoad("other", Store.text)
          for (let time = 0; time < 60; time++) {
            const rows = Array.from(
              { length: 1 + prng.int(6) },
              () => Update.insert(`k${prng.int(20)}`, "v".repeat(prng.int(60)), time)
            )
            if (prng.int(4) === 0) rows.push(Update.make(key, prng.pick(values), time, prng.pick([-1, 1, 1, 2])))
            yield* writer.append(rows)
            if (prng.int(3) === 0) yield* other.writer.append([Update.insert(`o${time}`, "w", time)])
            if (prng.int(3) === 0) yield* writer.seal(time + prng.int(2))
            if (prng.int(20) === 0) yield* writer.allowCompaction(Math.max(0, time - 20))
            if (prng.int(4) === 0) yield* client.maintain
          }
          yield* writer.append(values.map((value) => Update.insert(key, value, 70)))
          const before = yield* history(client, reader)
          for (let i = 0; i < 30; i++) yield* other.writer.append([Update.insert(`p${i}`, "w".repeat(100), 70)])
          const others = yield* Store.contents(other.reader)
          const found = filesWith(path, key, ...values)
          assert.isNotEmpty(found)
          // As a process that died would have left it.
          const stored = found.find((file) => file.includes("/batch/"))
          if (stored !== undefined) fs.copyFileSync(stored, `${stored.slice(0, -1)}x`)
          const receipt = yield* writer.erase(key)
          assert.deepStrictEqual(filesWith(path, key, ...values), [])
          assert.isAtLeast(receipt.rows, values.length)
          assert.match(receipt.keyHash, /^[0-9a-f]{64}$/)
          assert.deepStrictEqual(yield* history(client, reader), without(before, key))
          assert.deepStrictEqual(yield* Store.contents(other.reader), others)
          // It is as if it had never been there, also for what comes after.
          yield* writer.append([Update.insert("later", "", 80)])
          yield* client.maintain
          assert.strictEqual((yield* writer.erase(key)).rows, 0)
          return yield* history(client, reader)
        }))
        yield* inScope(Effect.gen(function*() {
          const client = yield* open(path)
          const { reader } = yield* client.load("people", Store.text)
          assert.deepStrictEqual(yield* history(client, reader), expected)
        }))
        assert.deepStrictEqual(filesWith(path, key, ...values), [])
      }))
  }

  it.effect("counts the rows of the key, wherever they are", () =>
    Effect.gen(function*() {
      const client = yield* Store.client(yield* Store.memory)
      const { writer } = yield* client.createOrLoad("s", Store.text)
      for (const time of [1, 2, 8, 9]) {
        yield* writer.append([Update.insert("a", "", time), Update.insert("b", "", time)])
      }
      yield* writer.seal(5)
      assert.strictEqual((yield* writer.erase("a")).rows, 4)
      yield* writer.seal(9)
      assert.strictEqual((yield* writer.erase("b")).rows, 4)
      assert.strictEqual((yield* writer.erase("b")).rows, 0)
    }))

  it.effect("what is written meanwhile stays, the key included", () =>
    Effect.gen(function*() {
      const { control, storage } = yield* Store.faulty
      const client = yield* Store.client(storage, Store.tiny)
      const { reader, writer } = yield* client.createOrLoad("s", Store.text)
      for (let i = 0; i < 50; i++) yield* writer.append([Update.insert(`k${i % 10}`, `${i}`, i)])
      let written = 0
      control.before = (operation) =>
        operation === "put" && written < 5
          ? Effect.asVoid(
            Effect.orDie(Effect.suspend(() => writer.offer([Update.insert("k3", `new ${written++}`, 60)])))
          )
          : Effect.void
      yield* writer.erase("k3")
      yield* client.sync
      assert.isAbove(written, 0)
      const rows = yield* Store.contents(reader)
      assert.deepStrictEqual(
        rows.filter(([key]) => key === "k3").map(([, value]) => value),
        Array.from({ length: written }, (_, i) => `new ${i}`)
      )
      assert.lengthOf(rows, 45 + written)
    }))

  it.effect("waits for snapshots that are open, which go on reading what they see", () =>
    Effect.gen(function*() {
      const storage = yield* Store.memory
      const client = yield* Store.client(storage, Store.tiny)
      const { reader, writer } = yield* client.createOrLoad("s", Store.text)
      for (let i = 0; i < 50; i++) yield* writer.append([Update.insert(`k${i}`, "v".repeat(60), i)])
      yield* writer.seal(50)
      yield* client.maintain
      const erasing = yield* Store.inScope(Effect.gen(function*() {
        const snapshot = yield* reader.snapshot({ asOf: 49 })
        const erasing = yield* Effect.forkDetach(writer.erase("k7"))
        while ((yield* Store.contents(reader, 49)).length === 50) yield* TestClock.adjust("50 millis")
        for (let i = 0; i < 20; i++) yield* TestClock.adjust("50 millis")
        assert.isUndefined(erasing.pollUnsafe())
        assert.lengthOf(yield* Store.rows(snapshot), 50)
        return erasing
      }))
      while (erasing.pollUnsafe() === undefined) yield* TestClock.adjust("50 millis")
      assert.strictEqual((yield* Fiber.join(erasing)).rows, 1)
      assert.deepStrictEqual(yield* Store.storedKeys(storage), yield* Store.referencedKeys(storage))
    }))

  it.effect("a follower of the log that has not read the erased part yet fails; one that has goes on", () =>
    Effect.gen(function*() {
      const client = yield* Store.client(yield* Store.memory, Store.tiny)
      const { reader, writer } = yield* client.createOrLoad("s", Store.text)
      const listening = Effect.flatMap(reader.listen(), ({ events, snapshot }) => Effect.as(snapshot.release, events))
      const slow = yield* Stream.toPull(yield* listening)
      for (let i = 0; i < 50; i++) yield* writer.append([Update.insert(`k${i}`, "v".repeat(100), i)])
      const received = yield* Effect.forkScoped(Stream.runHead(yield* listening), { startImmediately: true })
      yield* writer.erase("k7")
      yield* writer.append([Update.insert("later", "", 60)])
      assert.strictEqual((yield* Fiber.join(received))._tag, "Some")
      const failure = yield* Effect.flip(Effect.forever(slow))
      assert.deepInclude(failure as object, { _tag: "HoldExpired" })
    }))

  it.effect("is not done before what maintenance deletes at the same time is gone", () =>
    Effect.gen(function*() {
      const { control, storage } = yield* Store.faulty
      const client = yield* Store.client(storage, Store.tiny)
      const { reader, writer } = yield* client.createOrLoad("s", Store.text)
      for (let i = 0; i < 20; i++) yield* writer.append([Update.insert(`k${i}`, "v".repeat(60), i)])
      yield* client.compact("s")
      const scope = yield* Scope.make()
      yield* Scope.provide(reader.snapshot(), scope)
      const erasing = yield* Effect.forkScoped(writer.erase("k7"))
      while ((yield* Store.contents(reader)).length === 20) yield* TestClock.adjust("50 millis")
      for (let i = 0; i < 20; i++) yield* TestClock.adjust("50 millis")
      yield* Scope.close(scope, Exit.void)
      control.before = (operation) => operation === "delete" ? Effect.sleep("1 second") : Effect.void
      yield* Effect.forkScoped(client.maintain)
      while (erasing.pollUnsafe() === undefined) yield* TestClock.adjust("10 millis")
      const referenced = yield* Store.referencedKeys(storage)
      assert.deepStrictEqual(yield* Store.storedKeys(storage), referenced)
    }))

  it.effect("gives named holds up, with what they have of the key", () =>
    Effect.gen(function*() {
      const storage = yield* Store.memory
      const client = yield* Store.client(storage, Store.tiny)
      const { writer } = yield* client.createOrLoad("s", Store.text)
      for (let i = 0; i < 20; i++) yield* writer.append([Update.insert(`k${i}`, "v".repeat(60), i)])
      const hold = yield* (yield* Store.follower(storage)).hold("report")
      assert.isTrue((yield* Store.storedKeys(storage)).some((key) => key.startsWith("hold/")))
      yield* writer.erase("k7")
      assert.isFalse((yield* Store.storedKeys(storage)).some((key) => key.startsWith("hold/")))
      const lost = yield* Effect.forkScoped(Effect.flip(hold.lost))
      while (lost.pollUnsafe() === undefined) yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(lost))._tag, "HoldExpired")
    }))

  it.effect("leaves none to a hold that is being taken", () =>
    Effect.gen(function*() {
      const { control, storage } = yield* Store.faulty
      const client = yield* Store.client(storage)
      const { writer } = yield* client.createOrLoad("s", Store.text)
      yield* writer.append([Update.insert("a", "", 1), Update.insert("b", "", 1)])
      const follower = yield* Store.follower(storage)
      let erasing: Effect.Effect<unknown> = Effect.orDie(Effect.suspend(() => writer.erase("a")))
      control.before = (operation, key) => {
        if (operation !== "put" || !key.startsWith("hold/")) return Effect.void
        const first = erasing
        erasing = Effect.void
        return Effect.asVoid(first)
      }
      const { client: held } = yield* follower.hold("report")
      const { reader } = yield* held.load("s", Store.text)
      assert.deepStrictEqual((yield* Store.contents(reader)).map(([key]) => key), ["b"])
    }))

  it.effect("may fail at any operation: nothing but the key is lost, and another try does it", () =>
    Effect.gen(function*() {
      for (let writesLeft = 0; writesLeft < 12; writesLeft++) {
        const { control, storage } = yield* Store.faulty
        const expected = yield* Store.inScope(Effect.gen(function*() {
          const client = yield* Store.client(storage, Store.tiny)
          const { reader, writer } = yield* client.createOrLoad("s", Store.text)
          for (let i = 0; i < 60; i++) {
            yield* writer.append([Update.insert(`k${i % 20}`, `${i}`.repeat(20), i)])
            if (i % 15 === 14) yield* client.maintain
          }
          yield* writer.seal(55)
          const before = yield* history(client, reader)
          control.writesLeft = writesLeft
          yield* Effect.exit(writer.erase("k7"))
          control.writesLeft = Infinity
          control.isDown = false
          const after = yield* history(client, reader)
          assert.oneOf(JSON.stringify(after), [JSON.stringify(before), JSON.stringify(without(before, "k7"))])
          control.broken.add("delete")
          assert.strictEqual((yield* Effect.flip(writer.erase("k7")))._tag, "Unavailable")
          control.broken.clear()
          control.broken.add("rotate")
          assert.strictEqual((yield* Effect.flip(writer.erase("k7")))._tag, "Unavailable")
          control.broken.clear()
          yield* writer.erase("k7")
          assert.deepStrictEqual(yield* Store.storedKeys(storage), yield* Store.referencedKeys(storage))
          return without(before, "k7")
        }))
        const client = yield* Store.client(storage)
        const { reader } = yield* client.load("s", Store.text)
        assert.deepStrictEqual(yield* history(client, reader), expected)
      }
    }))

  it.effect("of a destroyed collection, or by a reader, is refused", () =>
    Effect.gen(function*() {
      const storage = yield* Store.memory
      const client = yield* Store.client(storage)
      const { writer } = yield* client.createOrLoad("s", Store.text)
      const follower = yield* Store.follower(storage)
      const reading = yield* follower.load("s", Store.text)
      assert.strictEqual((yield* Effect.flip(reading.writer.erase("k")))._tag, "ReadOnly")
      yield* client.destroy("s")
      assert.strictEqual((yield* Effect.flip(writer.erase("k")))._tag, "CollectionDestroyed")
    }))
})
