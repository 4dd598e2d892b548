/**
 * Builds the site into `dist/site`: the pages of the repository as they lie there, a page for each example, and a reference of
 * every export. It installs what it needs into `site/node_modules` the first time.
 */
import { execFileSync } from "node:child_process"
import fs from "node:fs"
import { join } from "node:path"
import * as Playground from "./playground.ts"

const root = join(import.meta.dirname, "..")
const site = join(root, "site")
const source = join(site, "dist")

const npm = (...args: ReadonlyArray<string>): void => {
  execFileSync("npm", [...args], { cwd: root, stdio: "inherit" })
}

const examples = join(root, "docs/examples")

/** The first sentence of a program says what it shows. */
const titleOf = (code: string, name: string): string => /^\/\*\*\s*(?:\* )?([^:.,\n]+)/.exec(code)?.[1]?.trim() ?? name

const copyPages = (): void => {
  const pages = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"]
  for (const name of [...pages, "docs"]) fs.cpSync(join(root, name), join(source, name), { recursive: true })
  fs.copyFileSync(join(site, "index.md"), join(source, "index.md"))
  fs.cpSync(join(root, "docs/pictures"), join(source, "public/docs/pictures"), { recursive: true })
  for (const name of fs.readdirSync(source, { recursive: true, encoding: "utf8" })) {
    if (name.endsWith(".md")) linkExamples(join(source, name))
  }
}

/** A program has a page on the site. */
const linkExamples = (page: string): void => {
  const text = fs.readFileSync(page, "utf8")
  fs.writeFileSync(page, text.replaceAll(/(\]\([\w./-]*examples\/[\w-]+)\.ts\)/g, "$1.md)"))
}

const writeExamples = (): void => {
  const folder = join(source, "docs/examples")
  const programs = fs.readdirSync(examples).filter((name) => name.endsWith(".ts"))
  const entries = programs.map((file) => {
    const code = fs.readFileSync(join(examples, file), "utf8")
    const name = file.replace(/\.ts$/, "")
    fs.rmSync(join(folder, file))
    fs.writeFileSync(
      join(folder, `${name}.md`),
      `# ${titleOf(code, name)}\n\n\`docs/examples/${file}\`\n\n\`\`\`ts\n${code}\`\`\`\n`
    )
    return `- [${titleOf(code, name)}](${name}.md)`
  })
  fs.writeFileSync(
    join(folder, "index.md"),
    `# Programs to run\n\nEach of them is a test, too.\n\n${entries.join("\n")}\n`
  )
}

fs.rmSync(source, { recursive: true, force: true })
if (!fs.existsSync(join(site, "node_modules"))) npm("ci", "--ignore-scripts", "--prefix", "site")
copyPages()
writeExamples()
await Playground.write(join(source, "public/playground"))
npm("run", "--silent", "docs", "--", "--out", join(source, "reference"))
npm("exec", "--", "node", "node_modules/@typescript/native/bin/tsc", "--noEmit", "-p", "site")
npm("exec", "--prefix", "site", "--", "vitepress", "build", "site")
