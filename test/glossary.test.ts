/**
 * One word for one thing: words that `docs/glossary.md` has replaced do not come back. The glossary itself may name them, in
 * its table of the reference system's names.
 */
import { assert, describe, it } from "@effect/vitest"
import * as fs from "node:fs"
import * as path from "node:path"

const root = path.resolve(import.meta.dirname, "..")

const under = (folder: string): ReadonlyArray<string> =>
  fs.readdirSync(path.join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => /\.(?:ts|md)$/.test(name))
    .map((name) => path.posix.join(folder, name.replaceAll(path.sep, "/")))

const everywhere = [
  "README.md",
  "AGENTS.md",
  "CONTRIBUTING.md",
  "SECURITY.md",
  "CHANGELOG.md",
  ...under("src"),
  ...under("docs")
].filter((file) => file !== "docs/glossary.md")
const pages = everywhere.filter((file) => file.endsWith(".md"))

interface Synonym {
  readonly word: RegExp
  readonly instead: string
}

/** Names that no code and no page may have. */
const names: ReadonlyArray<Synonym> = [
  {
    word: /\bStream(?:Read|Write)Handle\b|\bMultiWriteHandle\b/,
    instead: "CollectionReader, CollectionWriter, MultiWriter"
  },
  { word: /\b(?:UnknownStream|StreamDestroyed)\b/, instead: "UnknownCollection, CollectionDestroyed" },
  { word: /\bwrite\.write\b|\bwriteAtomic\b/, instead: "append, appendAtomic" },
  { word: /\bstream(?:Name|Id)\b/, instead: "name, id" },
  {
    word: /\b(?:ListenEvent|SubscribeEvent)\b|_tag: "(?:Records|Sealed)"|_tag === "(?:Records|Sealed)"/,
    instead: "CollectionEvent: Updates, Progress"
  },
  { word: /\b(?:Capturing|Captured|captureNow)\b|\bengine\/Capture\b/, instead: "ReadView, OpenView, OpenedView" },
  { word: /\bLogHolds?\b|\bholdLog\b/, instead: "LogPins, LogPin, pinLog" },
  {
    word: /\b(?:interface|class|type) (?:Held|Kept|Handles|Chain)\b/,
    instead: "PendingUpdates, Replay, Collection, SegmentList"
  },
  { word: /\bmulti-stream\b/, instead: "several collections" }
]

/** Words that no page may have. Docstrings are not held to these yet. */
const prose: ReadonlyArray<Synonym> = [
  { word: /\bsigns? of life\b/i, instead: "heartbeat" },
  { word: /\btold\b/i, instead: "delivered, acknowledged, distinguished" }
]

const found = (where: string, text: string, synonyms: ReadonlyArray<Synonym>): ReadonlyArray<string> =>
  text.split("\n").flatMap((line, index) =>
    synonyms.filter(({ word }) => word.test(line)).map(({ instead }) => `${where}:${index + 1}: write ${instead}`)
  )

const inFiles = (files: ReadonlyArray<string>, synonyms: ReadonlyArray<Synonym>): ReadonlyArray<string> =>
  files.flatMap((file) => found(file, fs.readFileSync(path.join(root, file), "utf8"), synonyms))

describe("the glossary", () => {
  it("has replaced names in code and pages", () => {
    assert.isAbove(everywhere.length, 200)
    assert.deepStrictEqual(inFiles(everywhere, names), [])
  })

  it("has replaced words in the prose of pages", () => {
    assert.isAbove(pages.length, 15)
    assert.deepStrictEqual(inFiles(pages, prose), [])
  })

  it.each([
    ["interface X extends StreamWriteHandle<K, V> {}", names],
    ["yield* orders.write.write([row])", names],
    ["Effect.catchTag(\"UnknownStream\", stop)", names],
    ["const captured: Captured = yield* view", names],
    ["export interface Held<K, V> {", names],
    ["if (event._tag === \"Sealed\") return", names],
    ["a hold is kept by signs of life", prose],
    ["what a subscriber was told", prose]
  ])("finds a planted synonym: %s", (line, synonyms) => {
    assert.lengthOf(found("planted", `a first line\n${line}`, synonyms), 1)
  })

  it("leaves the words of the glossary alone", () => {
    const text =
      "yield* orders.append(rows)\nconst view: ReadView = opened.view\nthe updates were delivered\nStream.run"
    assert.deepStrictEqual(found("planted", text, [...names, ...prose]), [])
  })
})
