// How soon the bridge answers an editor and what it weighs, with a running gateway. Usage: npm run build && node bench/acp.ts
// Absolute times swing with the machine; trust the ratio to `node -e 0`.
import { spawn, spawnSync } from "node:child_process"
import { rmSync } from "node:fs"
import { join } from "node:path"
import { median } from "./load.ts"
import { benchEnv, ENTRY, makeHome, residentMiB, startGateway, startScript } from "./processes.ts"

const RUNS = 11
const FAKE = join(import.meta.dirname, "..", "test", "fakes", "model-service.ts")

interface Measured {
  initializeMs: number
  sessionMs: number
  mib: number
}

function request(id: number, method: string, params: unknown): string {
  return `${JSON.stringify({ jsonrpc: "2.0", id, method, params })}\n`
}

async function once(home: string): Promise<Measured> {
  const began = performance.now()
  const child = spawn(process.execPath, [ENTRY, "acp"], { env: benchEnv(home), stdio: ["pipe", "pipe", "inherit"] })
  let text = ""
  const waiting = new Map<number, () => void>()
  child.stdout.on("data", (chunk: Buffer) => {
    text += chunk.toString()
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n")) {
      const message = JSON.parse(text.slice(0, end)) as { id?: number; method?: string }
      text = text.slice(end + 1)
      if (message.method === undefined && message.id !== undefined) waiting.get(message.id)?.()
    }
  })
  const ask = (id: number, method: string, params: unknown) =>
    new Promise<void>((resolve) => {
      waiting.set(id, resolve)
      child.stdin.write(request(id, method, params))
    })
  await ask(0, "initialize", { protocolVersion: 1, clientCapabilities: {} })
  const initializeMs = performance.now() - began
  await ask(1, "session/new", { cwd: home, mcpServers: [] })
  const sessionMs = performance.now() - began
  const mib = residentMiB(child.pid!).all
  const gone = new Promise((resolve) => child.once("exit", resolve))
  child.stdin.end()
  await gone
  return { initializeMs, sessionMs, mib }
}

function plainMs(): number {
  const times: number[] = []
  for (let i = 0; i < RUNS; i++) {
    const began = performance.now()
    spawnSync(process.execPath, ["-e", "0"], { stdio: "ignore" })
    times.push(performance.now() - began)
  }
  return median(times.slice(1))
}

const fake = await startScript(FAKE, ["--port", "0", "--deltas", "1"])
const home = makeHome(fake.url)
const gateway = await startGateway(home)
const plain = plainMs()
const all: Measured[] = []
for (let i = 0; i < RUNS; i++) all.push(await once(home))
const of = (pick: (one: Measured) => number) => median(all.slice(1).map(pick))
const initialize = of((one) => one.initializeMs)
const session = of((one) => one.sessionMs)
const rows = [
  ["initialize answered", `${initialize.toFixed(0)} ms, ${(initialize / plain).toFixed(1)} × node -e 0`, "≤ 150 ms"],
  ["session/new answered", `${session.toFixed(0)} ms, ${(session / plain).toFixed(1)} × node -e 0`, ""],
  ["resident memory", `${of((one) => one.mib).toFixed(0)} MiB`, "≤ 60 MiB"],
]
for (const [what, measured, goal] of rows)
  process.stdout.write(`${what}: ${measured}${goal === "" ? "" : `  (goal ${goal})`}\n`)
process.stdout.write(`node -e 0: ${plain.toFixed(0)} ms\n`)
await gateway.stop()
await fake.stop()
rmSync(home, { recursive: true, force: true })
