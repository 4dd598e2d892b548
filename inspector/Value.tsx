/**
 * Values: in a line of a table, whole, and as the difference between two.
 */
import { diffJson } from "diff"
import { useState } from "preact/hooks"
import type { Json } from "./Api.ts"

/** A cell shows this much, so that one long value costs the page nothing. */
const lineLength = 300
const foldedLength = 20_000

export const Line = ({ value }: { readonly value: Json }) => {
  const text = typeof value === "string" ? value : JSON.stringify(value)
  return <code>{text.length > lineLength ? `${text.slice(0, lineLength)} ...` : text}</code>
}

/** The value in full, with long ones folded. */
export const Whole = ({ value }: { readonly value: Json }) => {
  const [isOpen, setOpen] = useState(false)
  const text = JSON.stringify(value, undefined, 2)
  const isLong = text.length > foldedLength
  return (
    <>
      <pre>{isLong && !isOpen ? text.slice(0, foldedLength) : text}</pre>
      {isLong && (
        <button type="button" onClick={() => setOpen(!isOpen)}>
          {isOpen ? "Fold" : `Show all ${text.length.toLocaleString("en")} characters`}
        </button>
      )}
    </>
  )
}

/** Beyond this the comparison of lines takes long. */
const comparableLength = 200_000

export const Difference = ({ after, before }: { readonly before: Json; readonly after: Json }) => {
  if (JSON.stringify(before).length + JSON.stringify(after).length > comparableLength) return <Whole value={after} />
  return (
    <pre>
      {diffJson(before as object, after as object).map((part, i) => {
        const kind = part.added ? "added" : part.removed ? "removed" : ""
        const sign = part.added ? "+ " : part.removed ? "- " : "  "
        const lines = part.value.replace(/\n$/, "").split("\n").map((line) => sign + line).join("\n")
        return <span class={kind} key={i}>{`${lines}\n`}</span>
      })}
    </pre>
  )
}
