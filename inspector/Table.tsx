/**
 * A long table: only the rows in sight are elements of the page.
 */
import type { ComponentChildren } from "preact"
import { useEffect, useRef, useState } from "preact/hooks"

const rowHeight = 30
const overscan = 10

export interface Props<A> {
  readonly label: string
  readonly head: ReadonlyArray<string>
  readonly rows: ReadonlyArray<A>
  readonly cells: (row: A) => ReadonlyArray<ComponentChildren>
  readonly kind?: (row: A) => string | undefined
  readonly isChosen?: (row: A) => boolean
  readonly onChoose: (row: A) => void
  /** Called when the end is in sight. */
  readonly onEnd?: () => void
}

export function Table<A>({ cells, head, isChosen, kind, label, onChoose, onEnd, rows }: Props<A>) {
  const box = useRef<HTMLDivElement>(null)
  const [top, setTop] = useState(0)
  const [height, setHeight] = useState(600)
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => setHeight(entry!.contentRect.height))
    observer.observe(box.current!)
    return () => observer.disconnect()
  }, [])
  const first = Math.max(0, Math.floor(top / rowHeight) - overscan)
  const end = Math.min(rows.length, Math.ceil((top + height) / rowHeight) + overscan)
  useEffect(() => {
    if (end >= rows.length) onEnd?.()
  }, [end, rows.length, onEnd])
  const move = (event: KeyboardEvent, at: number) => {
    if (event.key === "Enter" || event.key === " ") return event.preventDefault(), onChoose(rows[at]!)
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0
    if (step === 0) return
    event.preventDefault()
    box.current!.querySelector<HTMLElement>(`[data-at="${at + step}"]`)?.focus()
  }
  return (
    <div
      class="table"
      role="table"
      aria-label={label}
      aria-rowcount={rows.length}
      ref={box}
      tabIndex={-1}
      onScroll={(event) => setTop(event.currentTarget.scrollTop)}
    >
      <div class="head row" role="row">{head.map((title) => <span role="columnheader" key={title}>{title}</span>)}</div>
      <div style={{ height: `${rows.length * rowHeight}px`, position: "relative" }} role="rowgroup">
        {rows.slice(first, end).map((row, i) => (
          <div
            key={first + i}
            data-at={first + i}
            role="row"
            aria-rowindex={first + i + 1}
            tabIndex={0}
            class={`row ${kind?.(row) ?? ""} ${isChosen?.(row) === true ? "chosen" : ""}`}
            style={{ top: `${(first + i) * rowHeight}px` }}
            onClick={() => onChoose(row)}
            onKeyDown={(event) => move(event, first + i)}
          >
            {cells(row).map((cell, column) => <span role="cell" key={column}>{cell}</span>)}
          </div>
        ))}
      </div>
    </div>
  )
}
