/**
 * What Tidemark is to reach, as ratios within one round: the table of `docs/performance.md`.
 */
import { median } from "./Measure.ts"
import type { Sample } from "./Samples.ts"

/** What is compared with what. */
type Kind =
  /** With the best of the engines whose names begin like that. */
  | { readonly _tag: "Engines"; readonly against: string; readonly names: ReadonlyArray<string> }
  /** With Tidemark itself in another mode. */
  | { readonly _tag: "Mode"; readonly against: string; readonly mode: string }
  /** With nothing: the figure is a ratio, or has a limit of its own. */
  | { readonly _tag: "Alone"; readonly against: string }

export interface Target {
  readonly workload: string
  readonly mode: string
  readonly work: string
  readonly ours: string
  readonly figure: string
  readonly unit: string
  readonly kind: Kind
  /** Whether more of the figure is better. */
  readonly more: boolean
  /** The least of what is better when there is more of it, and the most of what is not. */
  readonly bound: number
}

export interface Outcome {
  readonly target: Target
  /** One a round. */
  readonly ratios: ReadonlyArray<number>
  readonly median: number
  readonly holds: boolean
}

const peers = ["classic-level/", "rocksdb/", "lmdb/", "sqlite/", "duckdb/", "postgres/"]
const stores = ["classic-level/", "rocksdb/", "lmdb/"]
const keepHistory = ["sqlite/log", "duckdb/", "postgres/"]

const engines = (against: string, names: ReadonlyArray<string>): Kind => ({ _tag: "Engines", against, names })
const everyPeer = engines("the best peer", peers)
const raw = engines("raw append + fdatasync", ["raw/"])
const alone = (against: string): Kind => ({ _tag: "Alone", against })

const rows = (
  workload: string,
  mode: string,
  work: string,
  defaults: { readonly figure: string; readonly more: boolean; readonly unit?: string; readonly ours?: string },
  bounds: ReadonlyArray<readonly [kind: Kind, bound: number, figure?: string]>
): ReadonlyArray<Target> =>
  bounds.map(([kind, bound, figure = defaults.figure]) => ({
    workload,
    mode,
    work,
    ours: defaults.ours ?? "tidemark/strings",
    figure,
    unit: defaults.unit ?? "x",
    kind,
    more: defaults.more,
    bound
  }))

const rate = { figure: "rate", more: true }
const bytesRate = { ...rate, ours: "tidemark/bytes" }

export const targets: ReadonlyArray<Target> = [
  ...rows("w1", "one", "W1 durable ingest, batches of 1,000, strings", rate, [[everyPeer, 2], [raw, 0.6]]),
  ...rows("w1", "one", "W1 durable ingest, batches of 1,000, bytes", bytesRate, [[everyPeer, 2.5], [raw, 0.75]]),
  ...rows("w1", "sixteen", "W1 with 16 in flight, strings", rate, [[everyPeer, 1.5]]),
  ...rows("w1", "sixteen", "W1 with 16 in flight, bytes", bytesRate, [[everyPeer, 2.5]]),
  ...rows("w2", "sixtyfour", "W2 64 writers, one update each", rate, [
    [engines("SQLite behind a group committer", ["sqlite/"]), 1],
    [engines("LMDB", ["lmdb/"]), 2],
    [alone("acknowledgements a flush"), 30, "acknowledgementsAFlush"]
  ]),
  ...rows("w2", "one", "W2 one writer, one update: p50", { figure: "p50", more: false }, [[everyPeer, 1], [raw, 1.3]]),
  ...rows("w3", "snapshot", "W3 snapshot as of a time, 1,000,000 updates, decoded", rate, [
    [engines("DuckDB", ["duckdb/"]), 1],
    [engines("SQLite", ["sqlite/"]), 2],
    [engines("the best key-value store", stores), 4]
  ]),
  ...rows("w3", "get", "W3 point read as of a time, warm", rate, [[engines("LMDB's get", ["lmdb/"]), 0.5]]),
  ...rows("w4", "one", "W4 one listener: throughput", rate, [[everyPeer, 3]]),
  ...rows("w4", "one", "W4 one listener: write to receive, p50", { figure: "receive", more: false }, [
    [everyPeer, 1 / 3],
    [alone("the acknowledgement"), 1.2, "receiveOverAcknowledge"]
  ]),
  ...rows("w4", "ten", "W4 ten listeners: throughput", rate, [
    [everyPeer, 3],
    [{ _tag: "Mode", against: "one listener", mode: "one" }, 0.5]
  ]),
  ...rows("w5", "", "W5 reopening after a crash, to the first snapshot", { figure: "ready", more: false }, [
    [everyPeer, 0.5]
  ]),
  ...rows("w6", "", "W6 bounded history: updates a second", rate, [[everyPeer, 1.5]]),
  ...rows("w6", "", "W6 disk at the end over live bytes", { figure: "space", more: false }, [
    [everyPeer, 1],
    [alone("live bytes"), 1.1]
  ]),
  ...rows("w6", "", "W6 bytes written over bytes given", { figure: "amplification", more: false }, [
    [engines("the best peer with history", keepHistory), 1],
    [alone("bytes given"), 1.8]
  ]),
  ...rows("compaction", "", "p99 of acknowledgements while 1 GiB is compacted", { figure: "ratio", more: false }, [
    [alone("the p99 without"), 1.5]
  ]),
  ...rows("package", "", "import of the core entry point", { figure: "importMillis", more: false, unit: "ms" }, [
    [alone("after effect"), 60]
  ]),
  ...rows("package", "", "size of the core entry point", { figure: "kilobytes", more: false, unit: "kB" }, [
    [alone("minified, gzipped"), 60]
  ])
]

const ratioOf = ({ figure, kind, mode, more, ours }: Target, round: ReadonlyArray<Sample>): number | undefined => {
  const of = (engine: string, mode: string) =>
    round.find((each) => each.engine === engine && each.mode === mode)?.figures[figure]
  const mine = of(ours, mode)
  if (mine === undefined || kind._tag === "Alone") return mine
  if (kind._tag === "Mode") {
    const other = of(ours, kind.mode)
    return other === undefined ? undefined : mine / other
  }
  const theirs = round
    .filter((each) => each.mode === mode && kind.names.some((name) => each.engine.startsWith(name)))
    .flatMap(({ figures }) => figures[figure] ?? [])
  if (theirs.length === 0) return undefined
  return mine / (more ? Math.max(...theirs) : Math.min(...theirs))
}

/** What the samples say of each target that they can say something of. */
export const outcomes = (samples: ReadonlyArray<Sample>): ReadonlyArray<Outcome> =>
  targets.flatMap((target) => {
    const own = samples.filter(({ workload }) => workload === target.workload)
    const rounds = [...new Set(own.map(({ round }) => round))]
    const ratios = rounds.flatMap((round) => ratioOf(target, own.filter((each) => each.round === round)) ?? [])
    if (ratios.length === 0) return []
    const middle = median(ratios)
    return [{ target, ratios, median: middle, holds: target.more ? middle >= target.bound : middle <= target.bound }]
  })
