// What ACP costs in both directions: how soon the bridge answers an editor and what it weighs, and what a hosted agent's turn takes besides
// the agent. Alone: npm run build && node bench/acp.ts. Absolute times swing with the machine; trust the ratio to `node -e 0`.
import { type ChildProcessByStdio, spawn, spawnSync } from "node:child_process"
import { readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { Readable, Writable } from "node:stream"
import { connectGateway, type GatewayClient } from "../src/protocol/client.ts"
import { median } from "./load.ts"
import { benchEnv, ENTRY, makeHome, type Running, residentMiB, startGateway, startScript, TOKEN } from "./processes.ts"

const FAKE = join(import.meta.dirname, "..", "test", "fakes", "model-service.ts")
const AGENT = join(import.meta.dirname, "acp-agent.ts")
const SESSIONS = 100

type Note = (what: string, goal: string, measured: string, rival: string) => void

/** Milliseconds of the machine's clock, comparable between processes. */
const now = () => performance.timeOrigin + performance.now()
const ms = (value: number) => `${value.toFixed(value < 20 ? 2 : 0)} ms`
const p95 = (all: readonly number[]) => all.toSorted((a, b) => a - b)[Math.floor(all.length * 0.95)]!

interface Bridge {
  child: ChildProcessByStdio<Writable, Readable, null>
  ask(method: string, params: unknown): Promise<Record<string, unknown>>
  /** Called with each chunk of an answer. */
  heard: (text: string) => void
  close(): Promise<void>
}

function startBridge(home: string): Bridge {
  const child = spawn(process.execPath, [ENTRY, "acp"], { env: benchEnv(home), stdio: ["pipe", "pipe", "inherit"] })
  const waiting = new Map<number, (result: Record<string, unknown>) => void>()
  let text = ""
  let id = 0
  const bridge: Bridge = {
    child,
    heard: () => undefined,
    ask(method, params) {
      const own = id++
      child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", id: own, method, params })}\n`)
      return new Promise((resolve) => waiting.set(own, resolve))
    },
    async close() {
      const gone = new Promise((resolve) => child.once("exit", resolve))
      child.stdin.end()
      await gone
    },
  }
  child.stdout.on("data", (chunk: Buffer) => {
    text += chunk.toString()
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n")) {
      const line = text.slice(0, end)
      text = text.slice(end + 1)
      const message = JSON.parse(line) as { id?: number; method?: string; result?: Record<string, unknown> }
      if (message.method === undefined) waiting.get(message.id!)?.(message.result ?? {})
      else if (line.includes('"agent_message_chunk"')) bridge.heard(line)
    }
  })
  return bridge
}

async function startUps(home: string, runs: number, note: Note): Promise<void> {
  const plain: number[] = []
  const initialize: number[] = []
  const session: number[] = []
  const mib: number[] = []
  for (let i = 0; i < runs; i++) {
    let began = performance.now()
    spawnSync(process.execPath, ["-e", "0"], { stdio: "ignore" })
    plain.push(performance.now() - began)
    began = performance.now()
    const bridge = startBridge(home)
    await bridge.ask("initialize", { protocolVersion: 1, clientCapabilities: {} })
    initialize.push(performance.now() - began)
    await bridge.ask("session/new", { cwd: home, mcpServers: [] })
    session.push(performance.now() - began)
    mib.push(residentMiB(bridge.child.pid!).all)
    await bridge.close()
  }
  const [base, first, second] = [plain, initialize, session].map((all) => median(all.slice(1))) as [
    number,
    number,
    number,
  ]
  note(
    "`pincer acp` with a running gateway: spawn to `initialize` answered; `session/new` answered; resident",
    "≤ 150 ms; –; ≤ 60 MiB",
    `${ms(first)} (${(first / base).toFixed(1)} × \`node -e 0\`); ${ms(second)}; ${median(mib.slice(1)).toFixed(0)} MiB`,
    "7.3 s; –; 425 MiB at most",
  )
}

/** How much later the bridge's client sees the first chunk of a turn than a client of the gateway that reads along. */
async function forwarded(home: string, gateway: Running, runs: number, note: Note): Promise<void> {
  const client = await open(gateway)
  const bridge = startBridge(home)
  await bridge.ask("initialize", { protocolVersion: 1, clientCapabilities: {} })
  const { sessionId } = await bridge.ask("session/new", { cwd: home, mcpServers: [] })
  const later: number[] = []
  for (let i = 0; i < runs; i++) {
    const told = new Promise<number>((resolve) => {
      const stop = client.on("agent", ({ payload }) => {
        if ((payload as { stream?: string }).stream !== "assistant") return
        stop()
        resolve(performance.now())
      })
    })
    const heard = new Promise<number>((resolve) => {
      bridge.heard = () => resolve(performance.now())
    })
    await bridge.ask("session/prompt", { sessionId, prompt: [{ type: "text", text: "hi" }] })
    later.push((await heard) - (await told))
  }
  client.close()
  await bridge.close()
  note(
    "first chunk at the bridge's client after the gateway's own event, median / 95 %",
    "≤ 5 ms",
    `${ms(median(later.slice(1)))} / ${ms(p95(later.slice(1)))}`,
    "–",
  )
}

async function open(gateway: Running): Promise<GatewayClient> {
  const client = { id: "test", version: "1", platform: "linux", mode: "test" }
  return connectGateway({ url: gateway.url.replace(/^http/, "ws"), token: TOKEN, client, caps: ["tool-events"] })
}

/** Spawn of `pincer ask` to the first words of an agent that is warm. */
async function asked(home: string, runs: number, note: Note): Promise<void> {
  const first: number[] = []
  const total: number[] = []
  for (let i = 0; i < runs; i++) {
    const began = performance.now()
    const args = [ENTRY, "ask", "--agent", "trivial", "--session", "agent:trivial:asked", "--format", "json", "hi"]
    const child = spawn(process.execPath, args, {
      env: benchEnv(home),
      cwd: home,
      stdio: ["ignore", "pipe", "inherit"],
    })
    let text = ""
    let seen: number | undefined
    child.stdout.on("data", (chunk: Buffer) => {
      text += chunk.toString()
      if (seen === undefined && text.includes('"type":"text"')) seen = performance.now() - began
    })
    await new Promise((resolve) => child.once("close", resolve))
    total.push(performance.now() - began)
    if (seen === undefined) throw new Error(`The agent said nothing: ${text}`)
    first.push(seen)
  }
  note(
    "`pincer ask` with a warm hosted agent: first token; the whole process",
    "≤ 150 ms; ≤ 250 ms",
    `${ms(median(first.slice(1)))}; ${ms(median(total.slice(1)))}`,
    "acpx: 336 ms; 1,375 ms",
  )
}

async function turn(client: GatewayClient, sessionKey: string): Promise<{ there: number; back: number }> {
  const said = Promise.withResolvers<{ there: number; back: number }>()
  let sent = 0
  const stop = client.on("agent", ({ payload }) => {
    const got = now()
    const {
      data,
      sessionKey: key,
      stream,
    } = payload as { stream?: string; sessionKey?: string; data: { text: string } }
    if (stream !== "assistant" || key !== sessionKey) return
    const [came, left] = data.text.split(" ").map(Number) as [number, number]
    said.resolve({ there: came - sent, back: got - left })
  })
  sent = now()
  await client.request("chat.send", { sessionKey, message: "hi", wait: true, idempotencyKey: crypto.randomUUID() })
  const result = await said.promise
  stop()
  return result
}

async function inside(gateway: Running, runs: number, note: Note): Promise<void> {
  const client = await open(gateway)
  const all: { there: number; back: number }[] = []
  for (let i = 0; i < runs; i++) all.push(await turn(client, "agent:trivial:inside"))
  const used = all.slice(Math.floor(runs / 10))
  const [there, back] = [used.map((one) => one.there), used.map((one) => one.back)]
  note(
    "a hosted turn inside the gateway: the agent's first update to its client, median / 95 %; the question to the agent",
    "≤ 5 ms; –",
    `${ms(median(back))} / ${ms(p95(back))}; ${ms(median(there))}`,
    "–",
  )
  const before = residentMiB(gateway.pid).anonymous
  for (let i = 0; i < SESSIONS; i++) await turn(client, `agent:trivial:many-${i}`)
  const after = residentMiB(gateway.pid).anonymous
  client.close()
  note(
    `resident memory for each of ${SESSIONS} hosted sessions, besides their one agent`,
    "≤ 2 MiB",
    `${((after - before) / SESSIONS).toFixed(3)} MiB (${before.toFixed(0)} to ${after.toFixed(0)} MiB)`,
    "acpx: 101 MiB",
  )
}

export async function benchAcp(quick: boolean, note: Note): Promise<void> {
  const fake = await startScript(FAKE, ["--port", "0", "--deltas", "1"])
  const home = makeHome(fake.url)
  const file = join(home, "pincer.json")
  const config = JSON.parse(readFileSync(file, "utf8")) as { agents: object }
  const entries = { trivial: { acp: { command: [process.execPath, AGENT] } } }
  writeFileSync(file, JSON.stringify({ ...config, agents: { ...config.agents, entries } }))
  const gateway = await startGateway(home)
  try {
    await startUps(home, quick ? 5 : 11, note)
    await forwarded(home, gateway, quick ? 30 : 200, note)
    await asked(home, quick ? 5 : 11, note)
    await inside(gateway, quick ? 50 : 400, note)
  } finally {
    await gateway.stop()
    await fake.stop()
    rmSync(home, { recursive: true, force: true })
  }
}

if (import.meta.main)
  await benchAcp(process.argv.includes("--quick"), (what, goal, measured) =>
    process.stdout.write(`${what}: ${measured}  (goal ${goal})\n`),
  )
