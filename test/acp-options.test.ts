// What an external agent offers for a session, in a whole house: listed, chosen, applied at once or before the next prompt, and given up when
// the agent decides otherwise.
import assert from "node:assert/strict"
import { type TestContext, test } from "node:test"
import type { WriteStream } from "node:tty"
import { Screen } from "../src/cli/screen.ts"
import { runSlash, type Talk } from "../src/cli/slash.ts"
import { openStage } from "../src/cli/stages.ts"
import { runTurn } from "../src/cli/turn.ts"
import { connectGateway, type GatewayClient } from "../src/protocol/client.ts"
import { FAKE_AGENT } from "./fakes/acp-agent-room.ts"
import { type House, startHouse } from "./house.ts"

const KEY = "agent:fake:one"

interface Offer {
  hosted: boolean
  known: boolean
  mode: string | null
  modes: { id: string }[]
  options: { id: string; currentValue: unknown }[]
  commands: { name: string }[]
}

async function open(t: TestContext, flags: readonly string[] = []) {
  const command = [process.execPath, FAKE_AGENT, ...flags]
  const house: House = await startHouse({ config: { agents: { entries: { fake: { acp: { command } } } } } })
  t.after(() => house.close())
  const hello = { id: "cli", version: "0", platform: "test", mode: "cli" }
  const client: GatewayClient = await connectGateway({ url: house.wsUrl, token: house.token, client: hello, caps: [] })
  t.after(() => client.close())
  return {
    house,
    client,
    say: (message: string): Promise<{ status: string; text: string }> =>
      client.request("chat.send", { sessionKey: KEY, message, wait: true }, { timeoutMs: 0 }),
    offer: (): Promise<Offer> => client.request("session.options", { sessionKey: KEY }),
    patch: (change: object): Promise<{ entry: Record<string, unknown> }> =>
      client.request("sessions.patch", { key: KEY, ...change }),
  }
}

const values = ({ options }: Offer) => Object.fromEntries(options.map((one) => [one.id, one.currentValue]))

test("options are known with the first turn, set at once where the agent is warm, and hold for its next process", async (t) => {
  const { house, offer, patch, say } = await open(t)
  assert.deepEqual(await offer().then(({ hosted, known }) => ({ hosted, known })), { hosted: true, known: false })
  await say("say one;commands")
  const first = await offer()
  assert.deepEqual(values(first), { model: "small", mode: "ask", brave: false })
  assert.deepEqual(
    first.modes.map(({ id }) => id),
    ["ask", "code"],
  )
  assert.deepEqual(
    first.commands.map(({ name }) => name),
    ["init"],
  )
  await patch({ agentMode: "code", agentOptions: { brave: true, model: "Large one" } })
  const second = await offer()
  assert.deepEqual(values(second), { model: "large", mode: "code", brave: true })
  assert.equal(second.mode, "code")
  const row = await house.parts.store.sessions.get(KEY)
  assert.deepEqual(row?.settings, { "acp.mode": "code", "acp.option.brave": "true" })
  assert.equal(row?.model, "large")
  const facts = await house.parts.store.transcript.facts(KEY)
  assert.equal(facts?.mode, "code", "the agent itself was told, without a turn")
  assert.equal((await say("settings")).text, "large code true")
})

test("what the agent does not know is refused with what it has, and nothing is stored", async (t) => {
  const { client, house, patch, say } = await open(t)
  await say("say one")
  for (const [change, has] of [
    [{ agentMode: "fly" }, /no mode "fly": it has ask, code/],
    [{ agentOptions: { speed: "1" } }, /no option "speed": it has model, mode, brave/],
    [{ agentOptions: { model: "huge" } }, /no value "huge": it has small, large/],
    [{ agentOptions: { brave: "maybe" } }, /true or false/],
    [{ model: "huge" }, /no model "huge": it has small, large/],
  ] as const)
    await assert.rejects(patch(change), { code: "INVALID_PARAMS", message: has })
  assert.deepEqual((await house.parts.store.sessions.get(KEY))?.settings, {})
  const own = client.request("sessions.patch", { key: "agent:main:x", agentMode: "code" })
  await assert.rejects(own, { code: "INVALID_PARAMS", message: /Pincer's own/ })
})

test("an agent that refuses a choice is heard, and the choice is not stored", async (t) => {
  const { house, patch, say } = await open(t, ["--stubborn"])
  await say("say one")
  await assert.rejects(patch({ agentMode: "code" }), { code: "UNAVAILABLE", message: /cannot be changed now/ })
  assert.deepEqual((await house.parts.store.sessions.get(KEY))?.settings, {})
})

test("what the agent changes by itself, in a turn or after it, goes before what was chosen", async (t) => {
  const { house, offer, patch, say } = await open(t)
  await say("say one")
  await patch({ agentMode: "code" })
  await say("mode ask")
  assert.equal((await offer()).mode, "ask")
  assert.deepEqual((await house.parts.store.sessions.get(KEY))?.settings, {})
  await patch({ agentMode: "code" })
  const heard = Promise.withResolvers<void>()
  await say("say two")
  const stop = house.parts.hub.onSession(KEY, ({ event }) => {
    if (event.type === "session.described" && event.facts.mode === "ask") heard.resolve()
  })
  await say("say three;after mode ask")
  await heard.promise
  stop()
  assert.equal((await offer()).mode, "ask")
})

function screen() {
  let text = ""
  const write = (more: string) => {
    text += more
    return true
  }
  const stream = { isTTY: false as const, columns: 100, write } as unknown as WriteStream
  return { out: new Screen({ stream, env: { NO_COLOR: "1" } }), text: () => text }
}

test("in a conversation /options lists and sets, and /model knows the agent's models", async (t) => {
  const { client, say, offer } = await open(t)
  const { out, text } = screen()
  const talk: Talk = {
    ...{ client, out, sessionKey: KEY, agentId: undefined, model: undefined, thinking: undefined, verbose: false },
    cancel: () => false,
    leave: () => undefined,
  }
  await runSlash(talk, "/options")
  assert.match(text(), /say something first/)
  await say("say one")
  await runSlash(talk, "/options")
  assert.match(text(), /brave\s+false\s+true, false/)
  await runSlash(talk, "/options mode code")
  await runSlash(talk, "/options brave true")
  await runSlash(talk, "/model large")
  assert.deepEqual(values(await offer()), { model: "large", mode: "code", brave: true })
  await runSlash(talk, "/model")
  assert.match(text(), /\* large\s+Large one/)
  await runSlash(talk, "/options brave perhaps")
  assert.match(text(), /true or false/)
  await runSlash(talk, "/options mode default")
  assert.equal((await say("settings")).text, "large code true")
})

test("a turn shows its plan, what files it changed and what it used", async (t) => {
  const { client, house } = await open(t)
  const [out, err] = [screen(), screen()]
  const stage = openStage(
    { out: out.out, err: err.out, env: {}, flags: {}, version: "0", cwd: "/", interactive: false, verbose: true },
    "json",
  )
  const heard = await connectGateway({
    ...{ url: house.wsUrl, token: house.token, caps: ["tool-events"] },
    client: { id: "cli", version: "0", platform: "test", mode: "cli" },
  })
  t.after(() => heard.close())
  const saying = { message: "plan;tool a;used;say done", sessionKey: KEY }
  await runTurn(heard, saying, stage)
  await client.request("health", {})
  const lines = out
    .text()
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>)
  const plan = lines.find(({ type }) => type === "plan")?.["plan"] as { entries: unknown[] }
  assert.equal(plan.entries.length, 2)
  assert.deepEqual(lines.find(({ type }) => type === "tool.ended")?.["changes"], [
    { path: "/x/a", added: 1, removed: 1 },
  ])
  const { type, usage } = lines.at(-1)!
  assert.equal(type, "result")
  assert.equal(
    (usage as { inputTokens?: number; input?: number }).inputTokens ?? (usage as { input: number }).input,
    130,
  )
})
