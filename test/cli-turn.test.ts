// A turn as the command line lives through it, against a whole gateway: cut connections, restarts, cancels.
import assert from "node:assert/strict"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { test } from "node:test"
import { PATIENT } from "../src/cli/connect.ts"
import type { Question } from "../src/cli/question.ts"
import { type Ending, runTurn, type Stage } from "../src/cli/turn.ts"
import { connectGateway, type GatewayClient } from "../src/protocol/client.ts"
import type { EventFrame } from "../src/protocol/frame.ts"
import { FAKE_AGENT } from "./fakes/acp-agent-room.ts"
import { startRelay } from "./fakes/relay.ts"
import { type House, houseConfig, NO_SANDBOX, startHouse } from "./house.ts"

function connect(house: House, port?: number): Promise<GatewayClient> {
  return connectGateway({
    url: port === undefined ? house.wsUrl : `ws://127.0.0.1:${port}`,
    token: house.token,
    client: { id: "cli", version: "0", platform: "test", mode: "cli" },
    caps: ["tool-events", "approvals"],
    reconnect: { ...PATIENT, minDelayMs: 10, maxDelayMs: 100, maxAttempts: 200 },
  })
}

interface Recording {
  stage: Stage
  text(): string
  notices: string[]
  tools: string[]
  question: Promise<Question>
  restored: Promise<string>
}

function record(): Recording {
  let text = ""
  const notices: string[] = []
  const tools: string[] = []
  const question = Promise.withResolvers<Question>()
  const restored = Promise.withResolvers<string>()
  const nothing = () => undefined
  return {
    text: () => text,
    notices,
    tools,
    question: question.promise,
    restored: restored.promise,
    stage: {
      started: nothing,
      model: nothing,
      thinking: nothing,
      toolUpdated: nothing,
      answered: nothing,
      ended: nothing,
      text: (delta) => {
        text += delta
      },
      toolStarted: (tool) => tools.push(`${tool.name} ${tool.title}`),
      toolEnded: (tool) => tools.push(`${tool.name} ${tool.isError ? "failed" : "done"}`),
      notice: (_, words) => {
        notices.push(words)
        if (words.startsWith("Connected again")) restored.resolve(words)
      },
      plan: () => undefined,
      asked: (asked) => question.resolve(asked),
    },
  }
}

const RUN = "run `echo in-place`"

test("runTurn() shows the turn on after its connection was cut, and loses nothing", async (t) => {
  const house = await startHouse({ config: NO_SANDBOX })
  t.after(() => house.close())
  const relay = await startRelay(Number(new URL(house.url).port))
  t.after(() => relay.close())
  const client = await connect(house, relay.port)
  t.after(() => client.close())
  const shown = record()
  const turn = runTurn(client, { message: RUN, sessionKey: "cut", cwd: house.work }, shown.stage)
  const { id, summary, cwd } = await shown.question
  assert.equal(summary, "echo in-place")
  assert.equal(cwd, house.work)
  relay.cut()
  assert.equal(await shown.restored, "Connected again")
  await client.request("exec.approval.resolve", { id, decision: "allow-once" })
  const ending = await turn
  assert.equal(ending.status, "completed")
  assert.equal(ending.exitCode, 0)
  assert.match(shown.text(), /in-place/)
  assert.deepEqual(shown.tools, ["Bash echo in-place", "Bash done"])
})

test("runTurn() comes to its ending when the gateway was restarted and the turn ended meanwhile", async (t) => {
  const first = await startHouse({ config: NO_SANDBOX })
  const { port } = new URL(first.url)
  const relay = await startRelay(Number(port))
  t.after(() => relay.close())
  const client = await connect(first, relay.port)
  t.after(() => client.close())
  const shown = record()
  const turn = runTurn(client, { message: RUN, sessionKey: "restart", cwd: first.work }, shown.stage)
  const { id } = await shown.question
  relay.cut(true)
  await first.stop()
  const config = houseConfig({ config: { ...NO_SANDBOX, gateway: { port: Number(port) } } })
  writeFileSync(join(first.home, "pincer.json"), JSON.stringify(config), { mode: 0o600 })
  const second = await startHouse({ home: first.home })
  t.after(() => second.close())
  const other = await connect(second)
  t.after(() => other.close())
  const runs = (await other.request("exec.approval.list")) as { runId: string }[]
  await other.request("exec.approval.resolve", { id, decision: "allow-once" })
  await other.request("agent.wait", { runId: runs[0]?.runId, timeoutMs: 20_000 })
  relay.allow()
  const ending = await turn
  assert.equal(ending.status, "completed")
  assert.match(shown.text(), /in-place/)
  assert.match(shown.notices.join("\n"), /lost[\s\S]*may not have been shown/)
})

test("runTurn() cancels the turn at the gateway and says so", async (t) => {
  const house = await startHouse({ config: NO_SANDBOX })
  t.after(() => house.close())
  const client = await connect(house)
  t.after(() => client.close())
  const controller = new AbortController()
  const shown = record()
  const turn = runTurn(client, { message: RUN, sessionKey: "cancel" }, shown.stage, { signal: controller.signal })
  await shown.question
  controller.abort()
  const ending: Ending = await turn
  assert.equal(ending.status, "canceled")
  assert.equal(ending.exitCode, 130)
  assert.deepEqual(await client.request("exec.approval.list"), [])
})

test("runTurn() throws the gateway's refusal when what was said is not accepted", async (t) => {
  const house = await startHouse({ config: NO_SANDBOX })
  t.after(() => house.close())
  const client = await connect(house)
  t.after(() => client.close())
  await assert.rejects(runTurn(client, { message: "hi", model: "nowhere/none" }, record().stage), { code: "NOT_FOUND" })
})

test("runTurn() ends with exit code 5 when the turn ended for want of permission", async () => {
  const listeners = new Map<string, (frame: EventFrame) => void>()
  const client = {
    on: (event: string, listener: (frame: EventFrame) => void) => {
      listeners.set(event, listener)
      return () => listeners.delete(event)
    },
    request: async (_: string, params: { idempotencyKey: string }) => {
      const payload = {
        runId: params.idempotencyKey,
        state: "error",
        errorMessage: "Bash runs outside the sandbox. The turn was ended",
        errorDetail: { code: "PERMISSION_DENIED" },
      }
      setImmediate(() => listeners.get("chat")?.({ type: "event", event: "chat", payload }))
      return { status: "started" }
    },
    closed: new Promise(() => undefined),
  } as unknown as GatewayClient
  const ending = await runTurn(client, { message: "hi" }, record().stage)
  assert.deepEqual([ending.status, ending.error?.code, ending.exitCode], ["failed", "PERMISSION_DENIED", 5])
})

test("runTurn() calls a turn in which everything was refused not permitted", async (t) => {
  const house = await startHouse({ config: NO_SANDBOX })
  t.after(() => house.close())
  const client = await connect(house)
  t.after(() => client.close())
  const shown = record()
  const turn = runTurn(client, { message: RUN, sessionKey: "denied" }, shown.stage)
  await client.request("exec.approval.resolve", { id: (await shown.question).id, decision: "deny" })
  const ending = await turn
  assert.equal(ending.status, "completed")
  assert.equal(ending.denied, 1)
  assert.equal(ending.exitCode, 5)
})

test("runTurn() calls a turn that an external agent gave up because it was refused not permitted", async (t) => {
  const acp = { command: [process.execPath, FAKE_AGENT] }
  const house = await startHouse({ config: { agents: { entries: { fake: { acp } } } } })
  t.after(() => house.close())
  const client = await connect(house)
  t.after(() => client.close())
  const saying = { message: "toolask c1;stop cancelled", sessionKey: "agent:fake:one" }
  const ending = await runTurn(client, { ...saying, permissions: { mode: "deny-all" } }, record().stage)
  assert.deepEqual([ending.status, ending.denied, ending.exitCode], ["canceled", 1, 5])
})
