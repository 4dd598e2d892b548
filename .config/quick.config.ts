import { defineConfig, mergeConfig } from "vitest/config"
import { slowFiles } from "../test/utils/Quick.ts"
import base from "./tests.ts"

/** What needs no server and no process of its own: `npm run test:quick`, and automatic mutants. */
export default mergeConfig(base, defineConfig({ test: { include: ["test/**/*.test.ts"], exclude: [...slowFiles] } }))
