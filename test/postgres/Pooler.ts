/**
 * A pooler in transaction mode, as PgBouncer is one: whatever a client sends between two moments without a transaction goes
 * to the next free session, and that is never the one before. What a client leaves in a session is lost to it.
 */
import { Effect } from "effect"
import { once } from "node:events"
import { connect, createServer, type Socket } from "node:net"

/** Whole messages of the protocol, from bytes as they come. */
const framer = (take: (type: string, message: Buffer) => void) => {
  let rest = Buffer.alloc(0)
  return (bytes: Buffer): void => {
    rest = Buffer.concat([rest, bytes])
    while (rest.length >= 5 && rest.length >= 1 + rest.readUInt32BE(1)) {
      const size = 1 + rest.readUInt32BE(1)
      const message = rest.subarray(0, size)
      rest = rest.subarray(size)
      take(String.fromCharCode(message[0]!), message)
    }
  }
}

const message = (type: string, body: Buffer): Buffer => {
  const head = Buffer.alloc(5)
  head.write(type)
  head.writeUInt32BE(4 + body.length, 1)
  return Buffer.concat([head, body])
}

const startup = (user: string): Buffer => {
  const body = Buffer.from(`\0\x03\0\0user\0${user}\0database\0postgres\0application_name\0tidemark\0\0`, "latin1")
  const length = Buffer.alloc(4)
  length.writeUInt32BE(4 + body.length)
  return Buffer.concat([length, body])
}

/** The replies to a client that wants to log in. */
const welcome = Buffer.concat([
  message("R", Buffer.alloc(4)),
  message("S", Buffer.from("server_version\x0018.0\0")),
  message("S", Buffer.from("client_encoding\0UTF8\0")),
  message("S", Buffer.from("standard_conforming_strings\0on\0")),
  message("K", Buffer.alloc(8)),
  message("Z", Buffer.from("I"))
])

interface Session {
  readonly socket: Socket
  /** Whose transaction it is; `starting` until it can be used. */
  client: Socket | "starting" | undefined
}

const sessions = 3

/** What would have to be in the same session later: a statement that was prepared by name, a listener. */
const leaves = (type: string, bytes: Buffer): boolean => {
  const text = bytes.toString("latin1", 5)
  return type === "P" ? !text.startsWith("\0") || /^\0LISTEN/i.test(text) : type === "Q" && /^LISTEN/i.test(text)
}

export const make = Effect.fnUntraced(function*(server: { readonly url: string }) {
  const { port, username } = new URL(server.url)
  const pool: Array<Session> = []
  const leftInSessions: Array<string> = []
  const jobs: Array<{ readonly client: Socket; readonly frames: Buffer }> = []

  const assign = (): void => {
    const session = pool.find(({ client }) => client === undefined)
    const job = session === undefined ? undefined : jobs.shift()
    if (session === undefined || job === undefined) return
    // The one that was used last comes last.
    pool.push(...pool.splice(pool.indexOf(session), 1))
    session.client = job.client
    session.socket.write(job.frames)
    assign()
  }

  const open = (): Session => {
    const session: Session = { socket: connect({ port: Number(port), host: "127.0.0.1" }), client: "starting" }
    session.socket.on("error", () => {})
    session.socket.write(startup(username))
    session.socket.on(
      "data",
      framer((type, bytes) => {
        if (typeof session.client === "object" && !session.client.destroyed) session.client.write(bytes)
        if (type !== "Z" || bytes.toString("latin1", 5) !== "I") return
        session.client = undefined
        assign()
      })
    )
    return session
  }

  const serve = (client: Socket): void => {
    let frames: Array<Buffer> = []
    client.on("error", () => {})
    const take = framer((type, bytes) => {
      if (type === "X") return void client.end()
      if (leaves(type, bytes)) leftInSessions.push(bytes.toString("latin1", 5))
      frames.push(Buffer.from(bytes))
      if (type !== "S" && type !== "Q") return
      const job = { client, frames: Buffer.concat(frames) }
      frames = []
      const mine = pool.find((session) => session.client === client)
      if (mine === undefined) jobs.push(job)
      else mine.socket.write(job.frames)
      assign()
    })
    client.once("data", () => {
      client.write(welcome)
      client.on("data", take)
    })
  }

  const clients = new Set<Socket>()
  const listener = createServer((client) => {
    clients.add(client)
    serve(client)
  }).listen(0, "127.0.0.1")
  yield* Effect.promise(() => once(listener, "listening"))
  for (let i = 0; i < sessions; i++) pool.push(open())
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      listener.close()
      for (const socket of [...clients, ...pool.map((session) => session.socket)]) socket.destroy()
    })
  )
  const address = listener.address()
  const own = typeof address === "object" && address !== null ? address.port : 0
  return { leftInSessions, through: (url: string): string => url.replace(`:${port}/`, `:${own}/`) }
})
