/** What Stryker leaves alone: prose. The words of a message are not behaviour; names and tags, which have no blanks, are. */
interface Path {
  readonly node: {
    readonly type: string
    readonly value?: unknown
    readonly quasis?: ReadonlyArray<{ readonly value: { readonly raw: string } }>
  }
}

const isProse = (text: string): boolean => /\S\s+\S/.test(text)

const textOf = ({ node }: Path): string =>
  node.type === "StringLiteral" && typeof node.value === "string"
    ? node.value
    : node.type === "TemplateLiteral"
    ? (node.quasis ?? []).map(({ value }) => value.raw).join("x")
    : ""

export const strykerPlugins = [{
  kind: "Ignore",
  name: "prose",
  value: { shouldIgnore: (path: Path) => isProse(textOf(path)) ? "prose" : undefined }
}]
