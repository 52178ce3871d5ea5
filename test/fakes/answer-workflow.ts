// Answers one gate in a process of its own, and goes on with the run: node answer-workflow.ts <folder> <token>. The folder holds p.db. Waits for
// a line on its input, so that many can begin at once. Prints the envelope's status, or what refused it.
import { once } from "node:events"
import { appendFileSync } from "node:fs"
import { join } from "node:path"
import { systemClock } from "../../src/base/clock.ts"
import { silentLogger } from "../../src/base/log.ts"
import { openStore } from "../../src/store/open.ts"
import { WorkflowEngine } from "../../src/workflow/engine/workflow-engine.ts"

const [folder, token] = process.argv.slice(2)
if (!folder || !token) throw new TypeError("Usage: answer-workflow.ts <folder> <token>")
const books = openStore({ path: join(folder, "p.db"), durability: "normal" }, systemClock, silentLogger)
const none = () => Promise.reject(new Error("Not here"))
const engine = new WorkflowEngine({
  runs: books.runs,
  clock: systemClock,
  log: silentLogger,
  holder: { pid: process.pid, birth: "answer" },
  isAlive: () => true,
  env: {},
  spillFolder: join(folder, "spill"),
  commands: [],
  run: async (_program, { path }) => {
    appendFileSync(join(folder, "effects"), `${path}\n`)
    return { exitCode: 0, killedBy: null, stdout: "", stderr: "", timedOut: false }
  },
  readText: none,
  fetch: none,
  model: none,
  tool: none,
  agent: none,
  publish: () => undefined,
  checkpoint: () => undefined,
})
process.stdout.write("ready\n")
await once(process.stdin, "data")
const how = { print: () => undefined, warn: () => undefined, signal: new AbortController().signal }
const said = await engine.answer(token, { type: "approve", approved: true, by: String(process.pid) }, how).then(
  (envelope) => (envelope.ok ? envelope.status : envelope.error.message),
  (error: unknown) => (error instanceof Error ? error.message : String(error)),
)
process.stdout.write(`${said}\n`)
await books.close()
process.stdin.destroy()
