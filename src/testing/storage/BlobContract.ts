/**
 * The contract of `Blob`, as tests that every implementation must pass.
 *
 * ```ts
 * for (const { name, run } of BlobContract.tests(makeStore)) it.effect(name, () => run)
 * ```
 *
 * @since 0.1.0
 */
import { Context, Effect, Layer, Option, Random, type Scope, Stream } from "effect"
import { Blob } from "../../storage/Blob.ts"
import { dies, same, type Test } from "./Contract.ts"

/**
 * Makes a new, empty blob store. Each build of the layer opens it anew, as a restarted process would.
 *
 * @category models
 * @since 0.1.0
 */
export type MakeStore = Effect.Effect<Layer.Layer<Blob>, unknown, Scope.Scope>

/**
 * The tests.
 *
 * @category constructors
 * @since 0.1.0
 */
export const tests = (makeStore: MakeStore): ReadonlyArray<Test> => {
  const withBlobs: WithBlobs = (name, run) => ({
    name,
    run: Effect.flatMap(makeStore, (layer) => Effect.flatMap(opening(layer), (blobs) => run(blobs, opening(layer))))
  })
  return [...content(withBlobs), ...keys(withBlobs)]
}

/** A test with an opened new blob store, and a function that opens the same one again. */
type WithBlobs = (
  name: string,
  run: (
    blobs: Blob["Service"],
    reopen: Effect.Effect<Blob["Service"], unknown, Scope.Scope>
  ) => Effect.Effect<void, unknown, Scope.Scope>
) => Test

/** A blob can be read as it was put, until it is deleted. */
const content = (withBlobs: WithBlobs): ReadonlyArray<Test> => [
  withBlobs(
    "a blob is what was put, for every opener",
    Effect.fnUntraced(function*(blobs, reopen) {
      yield* same(yield* get(blobs, "a/b.1"), undefined, "a blob that is not there")
      yield* blobs.put("a/b.1", bytes("content"))
      yield* blobs.put("empty", new Uint8Array(0))
      for (const opener of [blobs, yield* reopen]) {
        yield* same(yield* get(opener, "a/b.1"), bytes("content"), "content")
        yield* same(yield* get(opener, "empty"), new Uint8Array(0), "content of the empty one")
      }
    })
  ),
  withBlobs(
    "the first put of a key wins, and a second one succeeds",
    Effect.fnUntraced(function*(blobs) {
      const given = bytes("first")
      yield* blobs.put("key", given)
      given.fill(0)
      yield* blobs.put("key", bytes("another"))
      yield* same(yield* get(blobs, "key"), bytes("first"), "content")
    })
  ),
  withBlobs(
    "ranges end where the blob ends",
    Effect.fnUntraced(function*(blobs) {
      yield* blobs.put("key", bytes("0123456789"))
      for (
        const [offset, length, expected] of [[0, 4, "0123"], [3, 4, "3456"], [8, 9, "89"], [10, 1, ""], [50, 5, ""], [
          2,
          0,
          ""
        ]] as const
      ) {
        const found = yield* blobs.get("key", { offset, length })
        yield* same(Option.getOrUndefined(found), bytes(expected), `${length} bytes from ${offset}`)
      }
      yield* same(Option.isNone(yield* blobs.get("none", { offset: 0, length: 1 })), true, "a range of none")
    })
  ),
  withBlobs(
    "deleting what is there, what is gone and what never was succeeds",
    Effect.fnUntraced(function*(blobs) {
      yield* blobs.put("a/1", bytes("x"))
      yield* blobs.delete("a/1")
      yield* blobs.delete("a/1")
      yield* blobs.delete("b/2")
      yield* same(yield* get(blobs, "a/1"), undefined, "the deleted one")
      yield* blobs.put("a/1", bytes("again"))
      yield* same(yield* get(blobs, "a/1"), bytes("again"), "the one put again")
    })
  )
]

/** Listings, keys, and many operations at once. */
const keys = (withBlobs: WithBlobs): ReadonlyArray<Test> => [
  withBlobs(
    "a listing has every blob of the prefix, with its size",
    Effect.fnUntraced(function*(blobs, reopen) {
      const keys = ["a", "ab/1", "ab/2", "ab/c/3", "abc/4", "b/1"]
      for (const key of keys) yield* blobs.put(key, bytes(key))
      for (const prefix of ["", "a", "ab", "ab/", "ab/c", "ab/c/", "b/1", "c", "c/d"]) {
        const expected = keys.filter((key) => key.startsWith(prefix)).map((key) => ({ key, bytes: key.length }))
        yield* same(yield* listed(blobs, prefix), expected, `the blobs of "${prefix}"`)
      }
      yield* same((yield* listed(yield* reopen, "")).length, keys.length, "blobs for another opener")
    })
  ),
  withBlobs(
    "a key that could leave the place is a bug",
    Effect.fnUntraced(function*(blobs) {
      for (
        const key of ["", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/.", "A", "a b", "a\\b", "a\0", "ä"]
      ) {
        yield* dies(blobs.put(key, bytes("x")), `a put of ${JSON.stringify(key)}`)
        yield* dies(blobs.get(key), `a get of ${JSON.stringify(key)}`)
        yield* dies(blobs.delete(key), `a delete of ${JSON.stringify(key)}`)
      }
      yield* dies(Stream.runDrain(blobs.list("../")), "a list of the parent")
      yield* same(yield* listed(blobs, ""), [], "blobs")
    })
  ),
  withBlobs(
    "concurrent puts of one key leave one of them, whole",
    Effect.fnUntraced(function*(blobs) {
      const contents = [1, 2, 3, 4].map((value) => new Uint8Array(10_000).fill(value))
      yield* Effect.forEach(contents, (content) => blobs.put("key", content), { concurrency: "unbounded" })
      const found = Option.getOrThrow(yield* blobs.get("key"))
      yield* same(contents.some((content) => content.every((byte, i) => byte === found[i])), true, "one of them")
    })
  ),
  withBlobs("the blobs agree with a model over random operations", (blobs, reopen) =>
    Effect.gen(function*() {
      const model = new Map<string, Uint8Array>()
      for (let step = 0; step < 150; step++) yield* randomStep(step % 2 === 0 ? blobs : yield* reopen, model)
      const expected = [...model].map(([key, { length }]) => ({ key, bytes: length })).toSorted(byKey)
      yield* same(yield* listed(blobs, ""), expected, "the blobs that are left")
    }).pipe(Random.withSeed("blob contract")))
]

const opening = (layer: Layer.Layer<Blob>): Effect.Effect<Blob["Service"], unknown, Scope.Scope> =>
  Effect.map(Layer.build(Layer.fresh(layer)), (context) => Context.get(context, Blob))

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

const get = (blobs: Blob["Service"], key: string) => Effect.map(blobs.get(key), Option.getOrUndefined)

const byKey = (a: { readonly key: string }, b: { readonly key: string }): number => a.key < b.key ? -1 : 1

const listed = (blobs: Blob["Service"], prefix: string) =>
  Effect.map(Stream.runCollect(blobs.list(prefix)), (infos) => infos.toSorted(byKey))

const randomStep = Effect.fnUntraced(function*(blobs: Blob["Service"], model: Map<string, Uint8Array>) {
  const key = `shard-${yield* Random.nextIntBetween(0, 3)}/batch-${yield* Random.nextIntBetween(0, 5)}`
  const choice = yield* Random.next
  if (choice < 0.5) {
    const content = new Uint8Array(yield* Random.nextIntBetween(0, 2_000)).fill(yield* Random.nextIntBetween(0, 255))
    yield* blobs.put(key, content)
    if (!model.has(key)) model.set(key, content)
  } else if (choice < 0.7) {
    yield* blobs.delete(key)
    model.delete(key)
  }
  yield* same(yield* get(blobs, key), model.get(key), `content of ${key}`)
})
