/**
 * The flows of a store as a graph: collections from left to right, and how far each is behind what it is made of.
 */
import type { RunningFlow } from "./Api.ts"
import * as Times from "./Times.ts"

const width = 190
const height = 54
const gapX = 190
const gapY = 22

interface Node {
  readonly name: string
  readonly x: number
  readonly y: number
}

/** Each collection right of all that it is made of, as far as flows in a circle allow. */
const placed = (flows: ReadonlyArray<RunningFlow>): ReadonlyMap<string, Node> => {
  const depths = new Map<string, number>()
  for (const { from, to } of flows) for (const { collection } of [...from, to]) depths.set(collection, 0)
  for (let round = 0; round < depths.size; round++) {
    for (const { from, to } of flows) {
      const least = Math.max(...from.map(({ collection }) => depths.get(collection)! + 1), 0)
      depths.set(to.collection, Math.min(depths.size - 1, Math.max(depths.get(to.collection)!, least)))
    }
  }
  const filled = new Map<number, number>()
  return new Map([...depths].map(([name, depth]) => {
    const row = filled.get(depth) ?? 0
    filled.set(depth, row + 1)
    return [name, { name, x: depth * (width + gapX), y: row * (height + gapY) }]
  }))
}

const Edge = ({ behind, from, name, to }: {
  readonly from: Node
  readonly to: Node
  readonly name: string
  readonly behind: string
}) => {
  const [x1, y1, x2, y2] = [from.x + width, from.y + height / 2, to.x, to.y + height / 2]
  const middle = (x1 + x2) / 2
  return (
    <g class={behind === "up to date" ? "" : "behind"}>
      <path d={`M${x1},${y1} C${middle},${y1} ${middle},${y2} ${x2},${y2}`} />
      <text x={middle} y={(y1 + y2) / 2 - 5} text-anchor="middle">
        {behind}
        <title>{`${name}: ${to.name} is ${behind}, seen from ${from.name}`}</title>
      </text>
    </g>
  )
}

const sentence = ({ from, name, to }: RunningFlow): string =>
  `${name}: ${to.collection} is ` +
  from.map(({ collection, upper }) => `${Times.behind(to.upper, upper)} of ${collection}`).join(", ")

export const Graph = ({ flows, onChoose }: {
  readonly flows: ReadonlyArray<RunningFlow>
  readonly onChoose: (name: string) => void
}) => {
  const nodes = placed(flows)
  const uppers = new Map(flows.flatMap(({ from, to }) => [...from, to].map((end) => [end.collection, end.upper])))
  const right = Math.max(...[...nodes.values()].map(({ x }) => x)) + width
  const bottom = Math.max(...[...nodes.values()].map(({ y }) => y)) + height
  return (
    <div class="graph" role="region" aria-label="Flows" tabIndex={0}>
      <svg role="img" aria-label={flows.map(sentence).join("; ")} width={right + 2} height={bottom + 2}>
        {flows.flatMap(({ from, name, to }, i) =>
          from.map(({ collection, upper }) => (
            <Edge
              key={`${i} ${collection}`}
              name={name}
              from={nodes.get(collection)!}
              to={nodes.get(to.collection)!}
              behind={Times.behind(to.upper, upper)}
            />
          ))
        )}
        {[...nodes.values()].map(({ name, x, y }) => (
          <g key={name} onClick={() => onChoose(name)}>
            <rect x={x + 1} y={y + 1} width={width} height={height} rx={5} />
            <text class="name" x={x + 10} y={y + 22}>{name.length > 22 ? `${name.slice(0, 21)}…` : name}</text>
            <text x={x + 10} y={y + 42}>{Times.frontier(uppers.get(name)!)}</text>
          </g>
        ))}
      </svg>
    </div>
  )
}
