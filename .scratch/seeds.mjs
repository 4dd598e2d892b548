import { Effect } from "effect"
const src = new URL("../src/testing/", import.meta.url)
const Nemesis = await import(new URL("nemesis/Nemesis.ts", src)); const Profile = await import(new URL("nemesis/Profile.ts", src))
const Seeds = await import(new URL("simulation/Seeds.ts", src)); const Faults = await import(new URL("storage/Faults.ts", src))
const [profile, faults, from, to] = process.argv.slice(2)
let n = 0
const options = { firstSeed: Number(from), seeds: Number(to) - Number(from), program: Nemesis.program({ profile: Profile.byName[profile] }), faults: Faults[faults], command: `${profile} ${faults}`,
  onSeed: (o) => { if (++n % 100 === 0) console.error(profile, faults, Number(from) + n, new Date().toISOString()) } }
try { const s = await Effect.runPromise(Seeds.search(options)); console.error("DONE", profile, faults, from, to, JSON.stringify(s)) } catch (e) { console.error("FAILED", profile, faults, e); process.exitCode = 1 }
