// External agents in a whole house: a turn of theirs is a turn like any other, and what they want is judged and asked like our own.
import assert from "node:assert/strict"
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, dirname, join } from "node:path"
import { test } from "node:test"
import type { AgentHost } from "../src/acp/host/index.ts"
import { connectGateway, type GatewayClient } from "../src/protocol/client.ts"
import type { RecordedEvent } from "../src/protocol/event.ts"
import { FAKE_AGENT, runs } from "./fakes/acp-agent-room.ts"
import { type House, type HouseOptions, startHouse } from "./house.ts"

const KEY = "agent:fake:one"

function withAgent(flags: readonly string[] = [], acp: object = {}): Record<string, unknown> {
  const command = [process.execPath, FAKE_AGENT, ...flags]
  return { agents: { entries: { fake: { acp: { command, ...acp } } } } }
}

type Cleaning = { after: (fn: () => Promise<void> | void) => void }

async function open(t: Cleaning, options: HouseOptions): Promise<{ house: House; client: GatewayClient }> {
  const house = await startHouse(options)
  t.after(() => house.close())
  const hello = { id: "cli", version: "0", platform: "test", mode: "cli" }
  const client = await connectGateway({ url: house.wsUrl, token: house.token, client: hello, caps: ["approvals"] })
  t.after(() => client.close())
  return { house, client }
}

interface Said {
  status: string
  text: string
  runId?: string
}

const say = (client: GatewayClient, message: string, more: object = {}): Promise<Said> =>
  client.request("chat.send", { sessionKey: KEY, message, wait: true, ...more }, { timeoutMs: 0 })

async function events(house: House): Promise<RecordedEvent[]> {
  const found = await house.parts.store.transcript.events(KEY, { afterSeq: 0, limit: 10_000 })
  return found.map(({ event }) => event)
}

async function answer(house: House, decision: "allow-once" | "deny"): Promise<string> {
  for (;;) {
    const [pending] = await house.parts.approvals.pending()
    if (pending) {
      await house.parts.approvals.resolve(pending.id, decision, "test")
      return pending.summary
    }
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

test("a turn of an external agent is recorded like any other", async (t) => {
  const { client, house } = await open(t, { config: withAgent() })
  const { status, text } = await say(client, "think hm;say one;tool a;say two;plan;usage")
  assert.equal(status, "ok")
  assert.equal(text, "two")
  const types = new Set((await events(house)).map((one) => one.type))
  for (const type of ["tool.started", "tool.ended", "plan.updated", "context.measured", "message.added"] as const)
    assert.ok(types.has(type), type)
  assert.equal((await say(client, "say again")).text, "again")
})

test("what it wants to do is asked, and done or not as a person says", async (t) => {
  const { client, house } = await open(t, { config: withAgent() })
  const allowed = say(client, "toolask c1")
  await answer(house, "allow-once")
  assert.equal((await allowed).text, "[yes]")
  const denied = say(client, "toolask c2")
  await answer(house, "deny")
  assert.equal((await denied).text, "[no]")
})

test("files that it reads through us are read by the rules of our own tools", async (t) => {
  const { client, house } = await open(t, { config: withAgent() })
  const file = join(house.work, "a.txt")
  writeFileSync(file, "one\ntwo\nthree\n")
  const { text } = await say(client, `read ${file}`, { cwd: house.work })
  assert.match(text, /two/)
  assert.doesNotMatch(text, /three/)
  const secret = say(client, `read ${join(house.home, "pincer.json")}`, { cwd: house.work })
  await answer(house, "deny")
  assert.match((await secret).text, /refused/)
})

test("a stopped turn ends, the agent stays; closing the house ends the agent", async (t) => {
  const { client, house } = await open(t, { config: withAgent() })
  const pid = Number((await say(client, "pid")).text)
  const running = say(client, "say here;hang")
  while (house.parts.lanes.active(KEY)[0]?.text !== "here") await new Promise((resolve) => setTimeout(resolve, 5))
  await client.request("chat.abort", { sessionKey: KEY })
  assert.notEqual((await running).status, "ok")
  assert.equal((await say(client, "pid")).text, String(pid))
  await house.stop()
  while (runs(pid)) await new Promise((resolve) => setTimeout(resolve, 10))
})

test("after a restart of the gateway the agent goes on with its session", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "acp-state-"))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const config = withAgent(["--load", `--state=${folder}`])
  const first = await open(t, { config })
  await say(first.client, "say one")
  await first.house.stop()
  const { client, house } = await open(t, { config, home: first.house.home })
  const { text } = await say(client, "history")
  assert.equal(text, '["say one"]')
  const notices = (await events(house)).filter((one) => one.type === "notice.posted")
  assert.deepEqual(notices, [])
  assert.match(readFileSync(join(house.home, "agents-running.json"), "utf8"), /"mark"/)
})

test("an agent that is to be confined runs in the sandbox, and is ended with it; without a sandbox it does not run", async (t) => {
  const read = [dirname(realpathSync(process.execPath)), dirname(FAKE_AGENT)]
  const { agents } = withAgent(["--ignore-eof"], { confined: true }) as { agents: { entries: { fake: object } } }
  const config = {
    sandbox: { profiles: { agents: { read } } },
    agents: { entries: { fake: { ...agents.entries.fake, sandbox: "agents" } } },
  }
  const { client, house } = await open(t, { config })
  const { available } = await house.parts.sandbox.report()
  const turn = say(client, `say inside;env PINCER_SHELL`, { cwd: house.work })
  if (!available) {
    await assert.rejects(turn, /sandbox/i)
    return
  }
  assert.equal((await turn).text, 'inside["acp"]')
  const [warm] = (house.parts.host as AgentHost).warm()
  assert.equal(warm?.confined, true)
  await house.stop()
  while (runs(warm!.pid)) await new Promise((resolve) => setTimeout(resolve, 10))
})

test("without a model service, the agent that is logged in to answers, and status says so and how to change it", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "pincer-stand-in-"))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const bin = join(folder, "bin")
  mkdirSync(bin)
  mkdirSync(join(folder, ".codex"))
  writeFileSync(join(folder, ".codex", "auth.json"), "{}")
  const script = `#!/bin/sh\nexec "${process.execPath}" "${FAKE_AGENT}" "$@"\n`
  writeFileSync(join(bin, "codex-acp"), script, { mode: 0o755 })
  const env = { HOME: folder, PATH: `${bin}${delimiter}${process.env["PATH"]}` }
  const { client } = await open(t, { env, config: { models: { discover: true } } })
  const { text } = await client.request<Said>("chat.send", { sessionKey: "main", message: "say hello", wait: true })
  assert.equal(text, "hello")
  const { model } = await client.request<{ model: { provider: string; why: string } }>("status")
  assert.equal(model.provider, "acp")
  assert.match(model.why, /^Codex, .*: pincer config set agents\.entries\.main\.model/)
})
