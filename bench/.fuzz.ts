import { Deferred, Effect, Exit, Layer, Schedule, Scope, Stream } from "effect"
import { Codec, MemoryStorage, PersistClient, Update } from "tidemark"
const prng = (s: number) => () => {
  s |= 0
  s = s + 0x6D2B79F5 | 0
  let t = Math.imul(s ^ s >>> 15, 1 | s)
  t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t
  return ((t ^ t >>> 14) >>> 0) / 4294967296
}
type U = Update.Update<string, string>
const consolidate = (us: U[], asOf: number, from = -1) => {
  const m = new Map<string, number>()
  for (const u of us) {
    if (u.time <= asOf && u.time > from) {
      const k = u.key + "|" + u.value
      m.set(k, (m.get(k) ?? 0) + u.diff)
    }
  }
  return [...m].filter(([, d]) => d !== 0).map(([k, d]) => `${k}=${d}`).sort().join(" ")
}
const show = (rows: ReadonlyArray<readonly [string, string, number]>) =>
  rows.map(([k, v, d]) => `${k}|${v}=${d}`).sort().join(" ")
const run = (seed: number) =>
  Effect.gen(function*() {
    const rnd = prng(seed)
    const int = (n: number) => Math.floor(rnd() * n)
    const store = yield* MemoryStorage.make
    const opts: PersistClient.Options = {
      memoryBytes: 2000 + int(3000),
      logBytes: 2000 + int(6000),
      inlineBytes: 200 + int(1000),
      reclaimBytes: 300,
      partBytes: 1000 + int(3000),
      cacheBytes: 4000,
      feedBytes: 500,
      grace: "0 millis",
      maintenance: Schedule.spaced("1 hour")
    }
    let scope = yield* Scope.make()
    const open = () =>
      Scope.provide(
        Effect.gen(function*() {
          const c = yield* Layer.build(MemoryStorage.layerOf(store))
          return yield* PersistClient.make(opts).pipe(Effect.provide(c))
        }),
        scope
      )
    let p = yield* open()
    const names = ["a", "b", "c"]
    const col = (n: string) => p.createOrLoad(n, { key: Codec.string, value: Codec.string })
    const model = new Map(names.map((n) => [n, { us: [] as U[], upper: 0, since: 0 }]))
    const check = (n: string, what: string) =>
      Effect.gen(function*() {
        const m = model.get(n)!
        const { read } = yield* col(n)
        const eq = (a: string, b: string, w: string) => {
          if (a !== b) {
            throw new Error(`seed ${seed} ${what} ${n} ${w}\n got ${a}\nwant ${b} (upper ${m.upper} since ${m.since})`)
          }
        }
        const snap = yield* Effect.scoped(Effect.flatMap(read.snapshot(), (s) =>
          Effect.all([Stream.runCollect(s.contents), Stream.runCollect(s.updates)])))
        eq(show(snap[0]), consolidate(m.us, Infinity), "snapshot")
        eq(consolidate(snap[1] as U[], Infinity), consolidate(m.us, Infinity), "updates")
        for (let i = 0; i < 3; i++) {
          if (m.upper > m.since) {
            const asOf = m.since + int(m.upper - m.since)
            const rows = yield* Effect.scoped(Effect.flatMap(read.snapshot({ asOf }), (s) =>
              Stream.runCollect(s.contents)))
            eq(show(rows), consolidate(m.us, asOf), "asOf " + asOf)
            const key = "k" + int(8)
            const got = yield* read.get(key, { asOf })
            eq(
              show(got.map(([v, d]) =>
                [key, v, d] as const
              )),
              consolidate(
                m.us.filter((u) =>
                  u.key === key
                ),
                asOf
              ),
              "get"
            )
            const from = "k" + int(8), to = "k" + int(8)
            eq(
              show(yield* Stream.runCollect(read.range({ from, to, asOf }))),
              consolidate(m.us.filter((u) => u.key >= from && u.key < to), asOf),
              "range"
            )
            const hi = asOf + int(m.upper - asOf)
            eq(
              show(yield* Stream.runCollect(read.changes({ from: asOf, to: hi }))),
              consolidate(m.us, hi, asOf),
              "changes"
            )
            const evs = yield* Stream.runCollect(Stream.takeUntil(read.subscribe({ from: asOf + 1 }), (e) =>
              e._tag === "Progress" && e.frontier >= m.upper)).pipe(Effect.when(Effect.succeed(asOf + 1 < m.upper)))
            if (evs._tag === "Some") {
              eq(
                consolidate(
                  evs.value.flatMap((e) =>
                    e._tag === "Updates" ? e.updates : []
                  ) as U[],
                  Infinity
                ),
                consolidate(m.us, m.upper - 1, asOf),
                "subscribe"
              )
            }
          }
        }
        const key = "k" + int(8)
        const h = yield* read.history(key)
        eq(
          h.map((u) => `${u.value}@${u.time}:${u.diff}`).sort().join(" "),
          (() => {
            const g = new Map<string, number>()
            for (const u of m.us) {
              if (u.key === key) {
                const k = `${u.value}@${Math.max(u.time, m.since)}`
                g.set(k, (g.get(k) ?? 0) + u.diff)
              }
            }
            return [...g].filter(([, d]) => d).map(([k, d]) => `${k}:${d}`).sort().join(" ")
          })(),
          "history"
        )
      })
    for (let step = 0; step < 120; step++) {
      const n = names[int(3)]!
      const m = model.get(n)!
      const { write } = yield* col(n)
      const r = rnd()
      let what = ""
      if (r < 0.5) {
        const us = Array.from({ length: int(12) }, () =>
          Update.make(
            "k" + int(8),
            "v" + int(3) + (rnd() < .1 ? "x".repeat(int(400)) : ""),
            m.upper + int(6),
            int(5) - 2
          ))
        what = "write"
        yield* write.write(us)
        m.us.push(...us)
      } else if (r < 0.7) {
        m.upper += int(5)
        what = "seal " + m.upper
        yield* write.seal(m.upper)
      } else if (r < 0.8) {
        const s = m.since + int(3)
        if (rnd() < 0.9 ? s < m.upper : true) {
          m.since = s
          what = "since " + s
          yield* write.allowCompaction(s)
        }
      } else if (r < 0.9) {
        what = "maintain"
        yield* p.maintain
      } else if (r < 0.94) {
        what = "compact"
        yield* p.compact(n)
      } else if (r < 0.98) {
        what = "restart"
        if (rnd() < 0.5) {
          yield* p.stop
        }
        const old = scope
        scope = yield* Scope.make()
        p = yield* open()
        yield* Scope.close(old, Exit.void)
      }
      const ck = rnd() < 0.4
      if (process.env.V) {
        console.log(step, n, what, ck)
        const st = (p as any).st()
        for (const c of st.collections.values()) {
          console.log(
            "    ",
            c.registration.name,
            "up",
            c.upper,
            "si",
            c.since,
            "tu",
            c.traceUpper,
            "bf",
            c.blocksFrom,
            "blocks",
            c.blocks.map((b: any) => b.position + ":" + b.columns.length + "@" + b.minTime + "-" + b.maxTime).join(" "),
            "sp",
            c.spills.map((b: any) => b.parts.reduce((a: number, x: any) => a + x.rows, 0) + "@" + b.parts[0].minTime)
              .join(" "),
            "tr",
            c.trace.map((b: any) =>
              b.lower + "-" + b.upper + ":" + b.parts.reduce((a: number, x: any) => a + x.rows, 0)
            ).join(" ")
          )
        }
      }
      if (ck) yield* check(n, `step ${step} ${what}`)
    }
    yield* Scope.close(scope, Exit.void)
  })
const from = Number(process.argv[2] ?? 0), to = Number(process.argv[3] ?? 100)
let bad = 0
for (let s = from; s < to; s++) {
  const e = await Effect.runPromiseExit(Effect.timeout(run(s), "20 seconds"))
  if (Exit.isFailure(e)) {
    bad++
    console.log(s, String(e.cause).slice(0, 800))
    const d = e.cause.reasons[0] as any
    console.log(d?.defect?.message ?? d?.error?.message ?? d)
    if (bad > 2) break
  }
}
console.log("done", bad)
