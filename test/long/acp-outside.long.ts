// External agents that others wrote, hosted by a real gateway and asked with the real command line: npm run test:acp:outside. Each is put
// into a temporary folder when it is first needed; the fake model service is their model. AGENTS=claude,codex picks some.
import assert from "node:assert/strict"
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type TestContext, test } from "node:test"
import type { AgentHost } from "../../src/acp/host/index.ts"
import { connectGateway } from "../../src/protocol/client.ts"
import type { RecordedEvent } from "../../src/protocol/event.ts"
import { runs } from "../fakes/acp-agent-room.ts"
import { type FakeModel, startFakeModel } from "../fakes/model-service.ts"
import { install, OUTSIDE_AGENTS, type OutsideAgent } from "../fakes/outside-agents.ts"
import { obey } from "../fakes/outside-model.ts"
import { type House, houseConfig, makeHome, startHouse } from "../house.ts"

const PROGRAM = join(import.meta.dirname, "../../bin/pincer.js")
const only = process.env["AGENTS"]?.split(",")

interface Ran {
  code: number | null
  out: string
  err: string
}

interface Asked {
  agent: Pick<OutsideAgent, "id">
  house: House
  /** Where it works: not in Pincer's own home, which is protected. */
  work: string
}

interface Place extends Asked {
  agent: OutsideAgent
  fake: FakeModel
  /** Ends the gateway and opens another one on the same home. */
  restart(): Promise<void>
}

interface Located {
  prefix: string
  command?: string[]
}

/** Undefined, and the test skipped, where it cannot be had on this machine: said loudly, for nothing was shown then. */
function located(agent: OutsideAgent, t: TestContext): Located | undefined {
  try {
    const prefix = install(agent.spec)
    if (!agent.program) return { prefix }
    const program = agent.program.map((one) => join(prefix, "node_modules", one)).find((one) => existsSync(one))
    if (program === undefined) throw new Error("it brings no program for this machine")
    return { prefix, command: [program, ...(agent.args ?? [])] }
  } catch (error) {
    process.stdout.write(`\nNOT TESTED: ${agent.spec}: ${String(error)}\n\n`)
    t.skip(`NOT TESTED: ${String(error)}`)
    return undefined
  }
}

async function settle(agent: OutsideAgent, protocol: 1 | 2, found: Located, t: TestContext): Promise<Place> {
  const fake = await startFakeModel()
  fake.otherwise(obey)
  t.after(() => fake.close())
  const acp: Record<string, unknown> = { agent: agent.known, protocol }
  const config = { agents: { entries: { [agent.id]: { acp } } } }
  const { home } = makeHome({ config })
  acp["env"] = agent.prepare(home, fake.url)
  if (found.command) acp["command"] = found.command
  writeFileSync(join(home, "pincer.json"), JSON.stringify(houseConfig({ config })), { mode: 0o600 })
  symlinkSync(found.prefix, join(home, "agents"))
  const work = realpathSync(mkdtempSync(join(tmpdir(), "acp-outside-")))
  t.after(() => rmSync(work, { recursive: true, force: true }))
  const place: Place = {
    work,
    agent,
    fake,
    house: await startHouse({ home }),
    async restart() {
      await place.house.stop()
      place.house = await startHouse({ home })
    },
  }
  t.after(() => place.house.close())
  return place
}

function started(place: Asked, prompt: string, flags: readonly string[]): { child: ChildProcess; end: Promise<Ran> } {
  const { agent, house } = place
  const args = ["ask", "--agent", agent.id, "--session", `agent:${agent.id}:one`, "--format", "json", ...flags, prompt]
  const child = spawn(process.execPath, [PROGRAM, ...args], {
    cwd: place.work,
    env: {
      PATH: process.env["PATH"] ?? "",
      HOME: house.home,
      PINCER_HOME: house.home,
      PINCER_GATEWAY_TOKEN: house.token,
    },
    stdio: ["ignore", "pipe", "pipe"],
  })
  const said = { out: "", err: "" }
  child.stdout?.on("data", (chunk) => {
    said.out += chunk
    child.emit("said", said.out)
  })
  child.stderr?.on("data", (chunk) => {
    said.err += chunk
  })
  return { child, end: once(child, "close").then(([code]) => ({ code: code as number | null, ...said })) }
}

const ask = (place: Asked, prompt: string, ...flags: string[]) => started(place, prompt, flags).end

async function events({ agent, house }: Place): Promise<RecordedEvent[]> {
  const key = `agent:${agent.id}:one`
  const found = await house.parts.store.transcript.events(key, { afterSeq: 0, limit: 10_000 })
  return found.map(({ event }) => event)
}

async function until(what: string, holds: () => boolean): Promise<void> {
  const late = Date.now() + 20_000
  while (!holds()) {
    assert.ok(Date.now() < late, what)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** Processes that were started for the agents of this home, by a variable that they carry. */
function begotten(home: string): number[] {
  return readdirSync("/proc").flatMap((entry) => {
    if (!/^\d+$/.test(entry) || Number(entry) === process.pid) return []
    try {
      const environment = readFileSync(`/proc/${entry}/environ`, "latin1")
      return environment.includes("PINCER_AGENT_MARK=") && environment.includes(`HOME=${home}`) ? [Number(entry)] : []
    } catch {
      return []
    }
  })
}

/** The deltas of one kind, together. */
function spoken({ out }: Ran, type: "text" | "thinking"): string {
  const lines = out.split("\n").filter((line) => line !== "")
  const events = lines.map((line) => JSON.parse(line) as { type: string; delta?: string })
  return events.map((one) => (one.type === type ? (one.delta ?? "") : "")).join("")
}

/** A person at another client who says yes to the next question. */
async function approving<T>({ house }: Asked, act: () => Promise<T>): Promise<T> {
  const person = { id: "person", version: "0", platform: "test", mode: "cli" }
  const client = await connectGateway({ url: house.wsUrl, token: house.token, client: person, caps: ["approvals"] })
  client.on("exec.approval.requested", ({ payload }) => {
    const { id } = payload as { id: string }
    client.request("exec.approval.resolve", { id, decision: "allow-once" }).catch((error: unknown) => {
      process.stdout.write(`The question could not be answered: ${String(error)}\n`)
    })
  })
  try {
    return await act()
  } finally {
    client.close()
  }
}

async function talk(place: Place): Promise<void> {
  const said = await ask(place, "@say the violet heron")
  assert.equal(said.code, 0, said.err + said.out)
  assert.match(said.out, /the violet heron/)
  const thought = await ask(place, "@think rain")
  assert.equal(thought.code, 0, thought.err)
  assert.match(spoken(thought, "thinking"), /I think of rain/)
  assert.match(spoken(thought, "text"), /thought/)
  const again = await ask(place, "@recall")
  assert.match(again.out, /heard: the violet heron/)
}

async function useTools(place: Place): Promise<void> {
  const { work } = place
  const allowed = await approving(place, () => ask(place, `@shell touch ${join(work, "allowed.txt")}`))
  assert.equal(allowed.code, 0, allowed.err + allowed.out)
  assert.ok(existsSync(join(work, "allowed.txt")), allowed.out)
  const denied = await ask(place, `@shell touch ${join(work, "denied.txt")}`, "--deny-all")
  assert.equal(denied.code, 5, denied.err + denied.out)
  assert.equal(existsSync(join(work, "denied.txt")), false)
  const types = new Set((await events(place)).map((one) => one.type))
  for (const type of ["tool.started", "tool.ended"] as const) assert.ok(types.has(type), type)
}

async function cancel(place: Place): Promise<void> {
  const before = (await events(place)).filter((one) => one.type === "turn.ended").length
  const { child, end } = started(place, "@hang", [])
  await new Promise<void>((resolve) => child.on("said", (text: string) => text.includes("begun") && resolve()))
  child.kill("SIGINT")
  assert.equal((await end).code, 130)
  const ends = (await events(place)).filter((one) => one.type === "turn.ended")
  assert.equal(ends.length, before + 1)
  await approving(place, async () => {
    const file = join(place.work, "sleeper.pid")
    const sleeping = started(place, `@shell echo $$ > ${file}; exec sleep 1000`, [])
    await until("the command runs", () => existsSync(file) && readFileSync(file, "utf8").trim() !== "")
    const pid = Number(readFileSync(file, "utf8"))
    sleeping.child.kill("SIGINT")
    assert.equal((await sleeping.end).code, 130)
    await until("the command is gone", () => !runs(pid))
  })
  const after = await ask(place, "@say still here")
  assert.match(after.out, /still here/, after.err)
}

async function usage(place: Place): Promise<void> {
  const row = await place.house.parts.store.sessions.get(`agent:${place.agent.id}:one`)
  assert.ok((row?.usage.inputTokens ?? 0) > 0, JSON.stringify(row?.usage))
}

async function restart(place: Place, t: TestContext): Promise<void> {
  const { home } = place.house
  const pids = (place.house.parts.host as AgentHost).warm().map((one) => one.pid)
  assert.ok(pids.length > 0)
  await place.restart()
  await until("the agent is gone", () => pids.every((pid) => !runs(pid)) && begotten(home).length === 0)
  const { out } = await ask(place, "@recall")
  const fresh = (await events(place)).some((one) => one.type === "notice.posted" && one.code === "session_new")
  t.diagnostic(fresh ? "a new session after the restart, said so" : "the session goes on after the restart")
  assert.match(out, /heard: .*the violet heron/)
  if (place.agent.remembers) assert.equal(fresh, false)
}

for (const agent of OUTSIDE_AGENTS)
  for (const protocol of agent.protocols) {
    const wanted = only === undefined || only.some((one) => agent.spec.includes(one))
    test(`${agent.spec}, protocol ${protocol}`, { skip: !wanted, timeout: 600_000 }, async (t) => {
      const found = located(agent, t)
      if (!found) return
      const place = await settle(agent, protocol, found, t)
      await t.test("text, thought, and the second turn remembers", () => talk(place))
      const [warm] = (place.house.parts.host as AgentHost).warm()
      assert.equal(warm?.facts.protocol, protocol)
      await t.test("tools, allowed and refused", () => useTools(place))
      await t.test("stopped in the middle", () => cancel(place))
      await t.test("what it used", { skip: agent.untold === true }, () => usage(place))
      await t.test("after a restart of the gateway", (inner) => restart(place, inner))
    })
  }

test("the example agent of the official library", { skip: only !== undefined && !only.includes("sdk") }, async (t) => {
  const program = "node_modules/@agentclientprotocol/sdk/dist/examples/agent.js"
  const acp = { command: [process.execPath, join(install("@agentclientprotocol/sdk@1.9.0"), program)] }
  const house = await startHouse({ config: { agents: { entries: { example: { acp } } } } })
  const work = realpathSync(mkdtempSync(join(tmpdir(), "acp-outside-")))
  t.after(async () => {
    await house.close()
    rmSync(work, { recursive: true, force: true })
  })
  const place = { agent: { id: "example" }, house, work }
  const allowed = await approving(place, () => ask(place, "change it"))
  assert.equal(allowed.code, 0, allowed.err + allowed.out)
  assert.match(spoken(allowed, "text"), /successfully updated the configuration/)
  const denied = await ask(place, "change it", "--deny-all")
  assert.equal(denied.code, 5, denied.err + denied.out)
  assert.doesNotMatch(spoken(denied, "text"), /successfully/)
})
