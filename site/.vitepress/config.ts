/**
 * The site: what is in its menus, and where its pages are. `.ci/site.ts` assembles them in `dist`, as they lie in the
 * repository, so that their links are the same in both.
 */
import type { DefaultTheme, UserConfig } from "vitepress"

const page = (text: string, path: string): DefaultTheme.SidebarItem => ({ text, link: `/docs/${path}` })

export const sidebar: ReadonlyArray<DefaultTheme.SidebarItem> = [
  {
    text: "Begin",
    items: [
      page("Start here, in five minutes", "start"),
      page("Tables", "tables"),
      page("Collections and frontiers", "guide"),
      page("Tidemark, or something else?", "comparison"),
      { text: "Programs to run", link: "/docs/examples/" }
    ]
  },
  {
    text: "Tasks",
    items: [
      page("Coming from SQLite", "migrating"),
      page("Schemas that evolve", "schemas"),
      page("Flows between collections", "operators"),
      page("Views", "views"),
      page("Files in and out", "formats"),
      page("A store over HTTP", "http"),
      page("Services of Effect", "services"),
      page("Testing with simulation", "testing")
    ]
  },
  {
    text: "Operating",
    items: [
      page("Deployment", "deployment"),
      page("Backups", "backups"),
      page("Browsers", "browsers"),
      page("The command-line tool", "cli"),
      page("From one process to several", "scale-out"),
      page("Postgres", "postgres"),
      page("Buckets", "s3"),
      page("Releases", "releases")
    ]
  },
  {
    text: "Why to believe it",
    items: [
      page("Evidence", "evidence"),
      page("Performance", "performance"),
      page("Architecture", "architecture"),
      page("Decisions", "decisions/README"),
      page("The format", "format"),
      page("Glossary", "glossary")
    ]
  },
  { text: "Reference", items: [{ text: "Every export", link: "/reference/" }] }
]

export default {
  title: "Tidemark",
  description: "Durable collections that change over time, for Effect: time travel, bounded history, complete times.",
  srcDir: "dist",
  outDir: "../dist/site",
  cacheDir: "../.tmp/site-cache",
  lang: "en-GB",
  lastUpdated: false,
  // The pages also link to sources, which the site does not have.
  ignoreDeadLinks: [/\/src\//, /LICENSE$/],
  markdown: { lineNumbers: false },
  themeConfig: {
    nav: [
      { text: "Start", link: "/docs/start" },
      { text: "Tables", link: "/docs/tables" },
      { text: "Reference", link: "/reference/" },
      { text: "Changes", link: "/CHANGELOG" }
    ],
    sidebar: [...sidebar],
    outline: [2, 3],
    search: { provider: "local" },
    footer: { message: "Apache-2.0" }
  }
} satisfies UserConfig<DefaultTheme.Config>
