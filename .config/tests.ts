import { defineConfig } from "vitest/config"

const root = `${import.meta.dirname}/..`

/** What all tests have in common. Which files are run is said by those who extend it, since lists are added to each other. */
export default defineConfig({
  root,
  // `tidemark`, `tidemark/node` and the like mean the sources, as in tsconfig.json.
  resolve: { tsconfigPaths: true },
  test: {
    setupFiles: ["test/utils/setup.ts"],
    reporters: ["default", "./test/utils/Summary.ts"],
    // Simulated stores log what ends them: that is of interest where a test fails.
    silent: "passed-only",
    maxWorkers: 2,
    // Half of what a small program takes is the compiling of Effect and of the sources: what tests start finds it done.
    // `npm ci` forgets it.
    env: { NODE_COMPILE_CACHE: `${root}/node_modules/.cache/compile` },
    // For what hangs, and not for what is slow: a machine may have more to do than this.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    coverage: {
      provider: "v8",
      include: ["src/**/*.ts"],
      // What is on the way of every row and every byte has a test for each branch.
      thresholds: {
        lines: 95,
        "src/{Frontier,ByteReader,ByteWriter}.ts": { branches: 100 },
        "src/{batch,engine,storage}/*.ts": { branches: 100 },
        "src/node/{SegmentList,FileLog,SegmentFile}.ts": { branches: 100 },
        "src/node/Log*.ts": { branches: 100 }
      }
    }
  }
})
