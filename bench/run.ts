/**
 * `npm run bench -- NAME [SECTION]` runs the benchmark `bench/NAME.ts`.
 */
const [name, ...rest] = process.argv.slice(2)
if (name === undefined || !/^[a-z0-9]+$/.test(name)) {
  console.error(
    "usage: npm run bench -- engine [ingest|small|snapshot|large|idle]\n       npm run bench -- s3 [append|ingest|follow]\n       npm run bench -- scale [commit|writers|follow|takeover]\n       npm run bench -- serve\n       npm run bench -- operators [snapshot|ingest|view]"
  )
  process.exit(2)
}
process.argv.splice(2, process.argv.length, ...rest)
await import(`./${name}.ts`)
