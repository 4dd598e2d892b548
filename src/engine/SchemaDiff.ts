/**
 * The differences between a schema document and the one before it.
 *
 * Documents are JSON Schemas of what is stored. A difference is *additive* where every value that was stored under the
 * earlier document is still read, and encodes to the same bytes, so that a retraction finds its row. Every other
 * difference is *breaking*, also one that cannot be decided. So a removed field is breaking although the remaining
 * fields could be read: values that differ only in this field would become equal. The idea of asking a new schema to
 * include the old one is that of subtyping for structures with recursive types (Amadio and Cardelli, 1993).
 *
 * @internal
 */

import * as Layout from "../Layout.ts"

export interface Difference {
  /** Where: `.` and a field, `[0]` and `[]` for elements, `[*]` for free keys. Empty for the whole value. */
  readonly path: string
  readonly isBreaking: boolean
  readonly detail: string
}

type Json = null | boolean | number | string | ReadonlyArray<Json> | Node

interface Node {
  readonly [keyword: string]: Json
}

/** All differences, in the order of the document before. Documents that only differ in annotations have none. */
export const diff = (before: string, after: string): ReadonlyArray<Difference> => {
  if (before === after) return []
  const [old, now] = [parse(before), parse(after)]
  if (old === undefined || now === undefined) {
    return [breaking("", "its document is no JSON Schema that can be compared")]
  }
  return new Comparison(old, now).differences(old, now, "")
}

/** As one line, without the kind. */
export const format = ({ detail, path }: Difference): string => `${path === "" ? "the whole" : path}: ${detail}`

const parse = (document: string): Node | undefined => {
  try {
    return nodeOf(JSON.parse(document))
  } catch {
    return undefined
  }
}

const additive = (path: string, detail: string): Difference => ({ path, isBreaking: false, detail })
const breaking = (path: string, detail: string): Difference => ({ path, isBreaking: true, detail })

const never: Node = { enum: [] }

const isNode = (json: Json | undefined): json is Node =>
  typeof json === "object" && json !== null && !Array.isArray(json)

const nodeOf = (json: Json | undefined): Node | undefined => json === true ? {} : isNode(json) ? json : undefined

const listOf = (json: Json | undefined): ReadonlyArray<Json> => Array.isArray(json) ? json : []

/** The nodes by name under a keyword. */
const nodesOf = (json: Json | undefined): ReadonlyMap<string, Node> =>
  new Map(isNode(json) ? Object.entries(json).map(([name, each]) => [name, nodeOf(each) ?? never]) : [])

/** Keywords that do not restrict which values are accepted. */
const annotations = new Set(
  [
    "$schema",
    "$defs",
    "$comment",
    "title",
    "description",
    "default",
    "examples",
    "readOnly",
    "writeOnly",
    Layout.keyword
  ]
)

/** Keywords that are compared together with the structure. */
const structure = new Set(
  ["$ref", "anyOf", "type", "enum", "properties", "required", "additionalProperties", "items", "prefixItems"]
)

const lowerBounds = new Set(["minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"])
const upperBounds = new Set(["maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"])

const isAnything = (node: Node): boolean => Object.keys(node).every((keyword) => annotations.has(keyword))

/** One alternative, as text for a message. Names and literals of a schema are not data, and may be printed. */
const nameOf = (node: Node): string => {
  if (isAnything(node)) return "any value"
  const [literal] = listOf(node["enum"])
  if (literal !== undefined) return `the literal ${JSON.stringify(literal)}`
  const fields = [...nodesOf(node["properties"])].flatMap(([name, field]) => {
    const literals = listOf(field["enum"])
    return literals.length === 1 ? [`${name} ${JSON.stringify(literals[0])}`] : []
  })
  return `${String(node["type"] ?? "another kind")}${fields.length === 0 ? "" : ` with ${fields.join(", ")}`}`
}

/** Decoding drops fields that the schema of an object does not name. Every other value is read whole or not at all. */
const mayLose = (node: Node): boolean => node["type"] === "object" || node["type"] === "array"

class Comparison {
  private readonly oldDefinitions: ReadonlyMap<string, Node>
  private readonly newDefinitions: ReadonlyMap<string, Node>
  /** Pairs of nodes that are being compared: what contains itself is the same as long as nothing else differs. */
  private readonly open = new Map<Node, Set<Node>>()

  constructor(old: Node, now: Node) {
    this.oldDefinitions = nodesOf(old["$defs"])
    this.newDefinitions = nodesOf(now["$defs"])
  }

  differences(old: Node, now: Node, path: string): ReadonlyArray<Difference> {
    const seen = this.open.get(old) ?? new Set()
    if (seen.has(now)) return []
    this.open.set(old, seen.add(now))
    const found = this.unions(alternatives(old, this.oldDefinitions), alternatives(now, this.newDefinitions), path)
    seen.delete(now)
    return found
  }

  private unions(old: ReadonlyArray<Node>, now: ReadonlyArray<Node>, path: string): ReadonlyArray<Difference> {
    if (old.length === 1 && now.length === 1) return this.single(old[0]!, now[0]!, path)
    const found: Array<Difference> = []
    const used = new Set<Node>()
    for (const each of old) {
      const taken = this.place(each, now, path)
      if (taken === undefined) found.push(breaking(path, `${nameOf(each)} is not taken any more`))
      else {
        used.add(taken.by)
        found.push(...taken.differences)
      }
    }
    for (const each of now) if (!used.has(each)) found.push(additive(path, `${nameOf(each)} is taken, too`))
    return found
  }

  /** The alternative that reads what `old` has stored, which is the first that fits it. */
  private place(old: Node, now: ReadonlyArray<Node>, path: string) {
    let near: { readonly by: Node; readonly differences: ReadonlyArray<Difference> } | undefined
    for (const by of now) {
      if (!this.overlaps(old, by, 0)) continue
      const differences = this.single(old, by, path)
      if (!differences.some(({ isBreaking }) => isBreaking)) return { by, differences }
      if (mayLose(by)) return { by, differences }
      near ??= old["enum"] === undefined ? { by, differences } : undefined
    }
    return near
  }

  private single(old: Node, now: Node, path: string): ReadonlyArray<Difference> {
    if (isAnything(now)) return isAnything(old) ? [] : [additive(path, "any value is taken")]
    const was = old["type"]
    const is = now["type"]
    if (is !== undefined && was !== is && !(was === "integer" && is === "number")) {
      return [breaking(path, `it was ${nameOf(old)}, and is ${nameOf(now)} now`)]
    }
    const isLiteral = now["enum"] !== undefined
    if (isLiteral && JSON.stringify(old["enum"]) !== JSON.stringify(now["enum"])) {
      return [breaking(path, `${nameOf(old)} is not taken any more`)]
    }
    return [
      ...(was === is ? [] : [additive(path, "it was an integer, and is any number now")]),
      ...(old["enum"] !== undefined && !isLiteral
        ? [additive(path, `it was ${nameOf(old)}, and is any ${nameOf(now)} now`)]
        : []),
      ...bounds(old, now, path),
      ...(was === "object" ? this.objects(old, now, path) : []),
      ...(was === "array" ? this.arrays(old, now, path) : [])
    ]
  }

  private objects(old: Node, now: Node, path: string): ReadonlyArray<Difference> {
    const oldFields = nodesOf(old["properties"])
    const newFields = nodesOf(now["properties"])
    const oldRequired = listOf(old["required"])
    const newRequired = listOf(now["required"])
    const oldRest = restOf(old)
    const newRest = restOf(now)
    const found: Array<Difference> = []
    for (const [name, field] of oldFields) {
      const at = `${path}.${name}`
      const successor = newFields.get(name)
      if (successor === undefined) {
        found.push(breaking(at, "the field is gone"))
        continue
      }
      const wasRequired = oldRequired.includes(name)
      const isRequired = newRequired.includes(name)
      if (!wasRequired && isRequired) found.push(breaking(at, "it was optional, and is required now"))
      if (wasRequired && !isRequired) found.push(additive(at, "it was required, and is optional now"))
      found.push(...this.differences(field, successor, at))
    }
    for (const [name, field] of newFields) {
      if (oldFields.has(name)) continue
      const at = `${path}.${name}`
      if (newRequired.includes(name)) found.push(breaking(at, "a new field is required"))
      else if (oldRest === undefined) found.push(additive(at, "a new field, optional"))
      else found.push(...this.differences(oldRest, field, at))
    }
    if (oldRest !== undefined && newRest !== undefined) {
      found.push(...this.differences(oldRest, newRest, `${path}[*]`))
    } else if (oldRest !== newRest) {
      found.push(breaking(`${path}[*]`, oldRest === undefined ? "free keys are new" : "free keys are gone"))
    }
    return found
  }

  private arrays(old: Node, now: Node, path: string): ReadonlyArray<Difference> {
    const oldFirst = listOf(old["prefixItems"])
    const newFirst = listOf(now["prefixItems"])
    const oldRest = furtherOf(old)
    const newRest = furtherOf(now)
    const found: Array<Difference> = []
    for (let i = 0; i < Math.max(oldFirst.length, newFirst.length); i++) {
      const at = `${path}[${i}]`
      const was = nodeOf(oldFirst[i]) ?? oldRest
      const is = nodeOf(newFirst[i]) ?? newRest
      if (was === undefined) found.push(additive(at, "a new element, optional unless a bound says otherwise"))
      else if (is === undefined) found.push(breaking(at, "the element is gone"))
      else found.push(...this.differences(was, is, at))
    }
    if (oldRest !== undefined && newRest !== undefined) found.push(...this.differences(oldRest, newRest, `${path}[]`))
    else if (oldRest !== undefined) found.push(breaking(`${path}[]`, "further elements are gone"))
    else if (newRest !== undefined) found.push(additive(`${path}[]`, "further elements are taken, too"))
    return found
  }

  /** Whether some value of `old` may be one of `now`. True where this cannot be decided. */
  private overlaps(old: Node, now: Node, depth: number): boolean {
    const was = old["type"]
    const is = now["type"]
    if (was === undefined || is === undefined || depth > maxDepth) return true
    if (was !== is && !(numeric.has(was) && numeric.has(is))) return false
    const [literal] = listOf(old["enum"])
    if (literal !== undefined && now["enum"] !== undefined) return listOf(now["enum"]).includes(literal)
    return was !== "object" || this.objectsOverlap(old, now, depth)
  }

  private objectsOverlap(old: Node, now: Node, depth: number): boolean {
    const oldFields = nodesOf(old["properties"])
    const newFields = nodesOf(now["properties"])
    return listOf(now["required"]).every((name) => {
      const was = oldFields.get(String(name)) ?? restOf(old)
      const is = newFields.get(String(name))
      if (was === undefined || is === undefined) return was !== undefined
      const successors = alternatives(is, this.newDefinitions)
      return alternatives(was, this.oldDefinitions).some((each) =>
        successors.some((successor) => this.overlaps(each, successor, depth + 1))
      )
    })
  }
}

/** Deeper than this, two objects are taken to overlap. */
const maxDepth = 8

const numeric: ReadonlySet<Json> = new Set(["integer", "number"])

const anything: Node = {}

/** The schema of the keys that an object does not name. An object with `true` there does not keep them. */
const restOf = ({ additionalProperties }: Node): Node | undefined =>
  additionalProperties === undefined ? anything : isNode(additionalProperties) ? additionalProperties : undefined

/** The schema of the elements after the first ones, if there may be some. */
const furtherOf = ({ items, maxItems }: Node): Node | undefined =>
  items === undefined && maxItems === undefined ? anything : nodeOf(items)

/**
 * The alternatives of a union, in its order, each literal as one of its own. An unresolved reference accepts any value.
 */
const alternatives = (
  node: Node,
  definitions: ReadonlyMap<string, Node>,
  seen: ReadonlyArray<Node> = []
): ReadonlyArray<Node> => {
  if (seen.includes(node)) return []
  const further = [...seen, node]
  const reference = node["$ref"]
  if (typeof reference === "string") {
    const target = definitions.get(reference.replace("#/$defs/", "").replaceAll("~1", "/").replaceAll("~0", "~"))
    return target === undefined ? [{ $ref: reference }] : alternatives(target, definitions, further)
  }
  if (Array.isArray(node["anyOf"])) {
    return listOf(node["anyOf"]).flatMap((each) => alternatives(nodeOf(each) ?? never, definitions, further))
  }
  const literals = listOf(node["enum"])
  return literals.length < 2 ? [node] : literals.map((each) => Object.assign({}, node, { enum: [each] }))
}

/** Bounds that are tighter, and constraints that are not the same, are breaking. */
const bounds = (old: Node, now: Node, path: string): ReadonlyArray<Difference> => {
  const keywords = new Set([...Object.keys(old), ...Object.keys(now)])
  return [...keywords].flatMap((keyword) => {
    if (annotations.has(keyword) || structure.has(keyword)) return []
    const was = old[keyword]
    const is = now[keyword]
    if (JSON.stringify(was) === JSON.stringify(is)) return []
    if (is === undefined) return [additive(path, `${keyword} is gone`)]
    const isWider = typeof was === "number" && typeof is === "number" &&
      (lowerBounds.has(keyword) && is < was || upperBounds.has(keyword) && is > was)
    return isWider
      ? [additive(path, `${keyword} was ${was}, and is ${is} now`)]
      : [breaking(path, was === undefined ? `${keyword} is new` : `${keyword} is not what it was`)]
  })
}
