/**
 * A list of tasks with undo, redo and time travel. Every action is a commit at the next time, and undo is one more of
 * them: the opposite of what the action did. Nothing is overwritten, so the list can be seen as it was after any action.
 */
import { Console, Effect, HashMap, Layer, Option, Schema, Stream } from "effect"
import { Codec, MemoryStorage, PersistClient, Update } from "tidemark"
import { Current } from "tidemark/operators"

const Task = Schema.Struct({ title: Schema.String, done: Schema.Boolean })
type Task = typeof Task.Type
type Change = ReadonlyArray<Update.Update<string, Task>>

class NoSuchTask extends Schema.TaggedError<NoSuchTask>()("NoSuchTask", { id: Schema.String }) {}

const open = Effect.gen(function*() {
  const client = yield* PersistClient.PersistClient
  const tasks = yield* client.createOrLoad("tasks", { key: Codec.string, value: Codec.schema(Task) })
  const current = yield* Current.make(tasks.subscribe())
  /** The times of the actions that undo would take back, and those that redo would bring back. */
  const undoable: Array<number> = []
  const redoable: Array<number> = []

  const now = Effect.map(client.description("tasks"), ({ upper }) => upper)

  /** Makes a change at the next time. Somebody else's change in between is an `UpperMismatch`, and nothing happens. */
  const commit = Effect.fnUntraced(function*(change: (time: number) => Change) {
    const time = yield* now
    yield* tasks.compareAndAppend(change(time), { expected: time, upper: time + 1 })
    // The contents in memory are as new as the change when it returns.
    yield* current.through(time)
    return time
  })
  const act = Effect.fnUntraced(function*(change: (time: number) => Change) {
    undoable.push(yield* commit(change))
    redoable.length = 0
  })

  /** Does the opposite of what happened at a time. */
  const reverse = Effect.fnUntraced(function*(time: number) {
    const changes = yield* tasks.subscribe({ from: time }).pipe(
      Stream.takeUntil((event) => event._tag === "Progress"),
      Stream.runCollect
    )
    const then = changes.flatMap((event) => event._tag === "Updates" ? event.updates : [])
      .filter((update) => update.time === time)
    return yield* commit((at) => then.map(({ diff, key, value }) => Update.make(key, value, at, -diff)))
  })
  const move = Effect.fnUntraced(function*(from: Array<number>, to: Array<number>) {
    const time = from.pop()
    if (time !== undefined) to.push(yield* reverse(time))
  })

  const task = Effect.fnUntraced(function*(id: string) {
    const { rows } = yield* current.through(Math.max(0, (yield* now) - 1))
    const [found] = Option.getOrElse(HashMap.get(rows, id), () => [])
    return found === undefined ? yield* new NoSuchTask({ id }) : found[0]
  })
  const change = Effect.fnUntraced(function*(id: string, f: (task: Task) => Task) {
    const old = yield* task(id)
    yield* act((time) => Update.replace(id, old, f(old), time))
  })

  return {
    now,
    add: (id: string, title: string) => act((time) => [Update.insert(id, { title, done: false }, time)]),
    finish: (id: string) => change(id, (task) => ({ ...task, done: true })),
    rename: (id: string, title: string) => change(id, (task) => ({ ...task, title })),
    remove: Effect.fnUntraced(function*(id: string) {
      const old = yield* task(id)
      yield* act((time) => [Update.retract(id, old, time)])
    }),
    undo: move(undoable, redoable),
    redo: move(redoable, undoable),
    /** The list as it was right after a time: from storage, however long ago. */
    asOf: Effect.fnUntraced(function*(time: number) {
      const snapshot = yield* tasks.snapshot({ asOf: time })
      const rows = yield* Stream.runCollect(snapshot.contents)
      return rows.map(([id, { done, title }]) => `[${done ? "x" : " "}] ${id} ${title}`)
    }, Effect.scoped)
  }
})

const program = Effect.gen(function*() {
  const todo = yield* open
  yield* todo.add("a", "buy milk")
  yield* todo.add("b", "write a letter")
  yield* todo.finish("a")
  yield* todo.rename("b", "write two letters")
  yield* todo.undo
  yield* todo.undo
  yield* todo.redo
  yield* todo.remove("b")

  const last = (yield* todo.now) - 1
  for (let time = 0; time <= last; time++) yield* Console.log(`as of ${time}:`, yield* todo.asOf(time))
  const expected = [
    ["[ ] a buy milk"],
    ["[ ] a buy milk", "[ ] b write a letter"],
    ["[x] a buy milk", "[ ] b write a letter"],
    ["[x] a buy milk", "[ ] b write two letters"],
    ["[x] a buy milk", "[ ] b write a letter"],
    ["[ ] a buy milk", "[ ] b write a letter"],
    ["[x] a buy milk", "[ ] b write a letter"],
    ["[x] a buy milk"]
  ]
  const lists = yield* Effect.forEach(expected, (_, time) => todo.asOf(time))
  if (JSON.stringify(lists) !== JSON.stringify(expected)) return yield* Effect.die(new Error("the past has changed"))
})

await program.pipe(
  Effect.scoped,
  Effect.provide(PersistClient.layer().pipe(Layer.provide(MemoryStorage.layer))),
  Effect.runPromise
)
