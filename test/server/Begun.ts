import type * as History from "../../src/testing/history/History.ts"

/** How the histories of these tests begin: a writer opens the store, and registers a collection. */
export const begun: History.History = [
  {
    client: "writer 1",
    call: { _tag: "Open", mode: "writer" },
    outcome: "ok",
    invoked: 0,
    completed: 1,
    reply: { _tag: "Done" }
  },
  {
    client: "writer 1",
    call: { _tag: "Register", name: "s" },
    outcome: "ok",
    invoked: 2,
    completed: 3,
    reply: { _tag: "Registered", collection: 0 }
  }
]
