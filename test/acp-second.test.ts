// Version 2 of ACP, a draft, behind its flag: the bridge against the SDK's v2 client, each frame held against the v2 schema.
import assert from "node:assert/strict"
import { type TestContext, test } from "node:test"
import { client, ndJsonStream } from "@agentclientprotocol/sdk/experimental/v2"
import { Bridge } from "../src/acp/bridge/bridge.ts"
import { systemClock } from "../src/base/clock.ts"
import { silentLogger } from "../src/base/log.ts"
import { connectGateway } from "../src/protocol/client.ts"
import { FrameCheck } from "./fakes/acp-schema.ts"
import { startFakeModel } from "./fakes/model-service.ts"
import { type House, NO_SANDBOX, startHouse } from "./house.ts"

type Fields = Record<string, unknown>

async function openClient(t: TestContext, house: House, choice = "allow-once") {
  const gateway = await connectGateway({
    url: house.wsUrl,
    token: house.token,
    caps: ["approvals"],
    client: { id: "cli", version: "test", platform: "test", mode: "cli" },
  })
  const check = new FrameCheck(2)
  const problems: unknown[] = []
  const updates: Fields[] = []
  const waiting = new Set<() => void>()
  const encoder = new TextEncoder()
  let push: (chunk: Uint8Array) => void = () => undefined
  const look = (from: "client" | "agent", text: string) => {
    try {
      check.take(from, text)
    } catch (error) {
      problems.push(error)
    }
    const message = JSON.parse(text) as { method?: string; params?: { update: Fields } }
    if (from === "agent" && message.method === "session/update") updates.push(message.params!.update)
    for (const wake of waiting) wake()
  }
  const bridge = new Bridge({
    gateway,
    settings: { version: "0.0.0", provenance: "off", offerV2: true },
    send: (text) => {
      look("agent", text)
      push(encoder.encode(`${text}\n`))
    },
    after: systemClock.after,
    now: systemClock.now,
    log: silentLogger,
  })
  let rest = ""
  const connection = client({ name: "second" })
    .onNotification("session/update", () => undefined)
    .onRequest("session/request_permission", () => ({ outcome: { outcome: "selected", optionId: choice } }) as never)
    .connect(
      ndJsonStream(
        new WritableStream<Uint8Array>({
          write(chunk) {
            rest += Buffer.from(chunk).toString("utf8")
            const lines = rest.split("\n")
            rest = lines.pop()!
            for (const line of lines) {
              look("client", line)
              bridge.receive(line)
            }
          },
        }),
        new ReadableStream<Uint8Array>({
          start(controller) {
            push = (chunk) => controller.enqueue(chunk)
          },
        }),
      ),
    )
  const request = async (method: string, params: Fields) => (await connection.agent.request(method, params)) as Fields
  t.after(async () => {
    await bridge.end()
    gateway.close()
    connection.close()
    assert.deepEqual(problems, [], "every frame is as the schema says")
  })
  const greeting = await request("initialize", {
    protocolVersion: 2,
    info: { name: "second", version: "1" },
    capabilities: {},
  })
  return {
    greeting,
    request,
    updates,
    notify: (method: string, params: Fields) => connection.agent.notify(method, params),
    until(wanted: (update: Fields) => boolean): Promise<Fields> {
      return new Promise((resolve) => {
        const wake = () => {
          const found = updates.find(wanted)
          if (!found) return
          waiting.delete(wake)
          resolve(found)
        }
        waiting.add(wake)
        wake()
      })
    },
  }
}

async function openHouse(t: TestContext) {
  const fake = await startFakeModel()
  const house = await startHouse({ fake: fake.url, config: NO_SANDBOX })
  t.after(async () => {
    await house.close()
    await fake.close()
  })
  return { fake, house }
}

const isIdle = (update: Fields) => update["state"] === "idle"
const words = (updates: Fields[], kind: string) =>
  updates
    .filter((one) => one["sessionUpdate"] === kind)
    .map((one) => (one["content"] as { text: string }).text)
    .join("")

test("version 2: a prompt is answered at once under the id of its message, its end is a state", async (t) => {
  const { fake, house } = await openHouse(t)
  const one = await openClient(t, house)
  assert.equal(one.greeting["protocolVersion"], 2)
  const made = await one.request("session/new", { cwd: house.work, mcpServers: [] })
  assert.ok(Array.isArray(made["availableCommands"]))
  fake.script({ thinking: "Hm.", text: "Hello there." })
  const prompt = { sessionId: made["sessionId"], prompt: [{ type: "text", text: "hi" }] }
  const { messageId } = await one.request("session/prompt", prompt)
  assert.equal((await one.until(isIdle))["stopReason"], "end_turn")
  assert.equal(one.updates.find((update) => update["sessionUpdate"] === "user_message_chunk")?.["messageId"], messageId)
  assert.equal(words(one.updates, "agent_message_chunk"), "Hello there.")
  assert.equal(words(one.updates, "agent_thought_chunk"), "Hm.")
  const states = one.updates.filter((update) => update["sessionUpdate"] === "state_update").map(({ state }) => state)
  assert.deepEqual(states, ["running", "idle"])
})

test("version 2: everybody who has the session open sees it; resume replays it from the start", async (t) => {
  const { fake, house } = await openHouse(t)
  const one = await openClient(t, house)
  const { sessionId } = await one.request("session/new", { cwd: house.work, mcpServers: [] })
  fake.script({ text: "First." })
  await one.request("session/prompt", { sessionId, prompt: [{ type: "text", text: "one" }] })
  await one.until(isIdle)
  const two = await openClient(t, house)
  await two.request("session/resume", { sessionId, cwd: house.work, replayFrom: { type: "start" } })
  assert.equal(words(two.updates, "user_message_chunk"), "one")
  assert.equal(words(two.updates, "agent_message_chunk"), "First.")
  fake.script({ text: "Second." })
  await one.request("session/prompt", { sessionId, prompt: [{ type: "text", text: "two" }] })
  await two.until(isIdle)
  assert.equal(words(two.updates, "user_message_chunk"), "onetwo")
  assert.equal(words(two.updates, "agent_message_chunk"), "First.Second.")
})

test("version 2: permission, tool calls and cancel", async (t) => {
  const { fake, house } = await openHouse(t)
  const one = await openClient(t, house)
  const { sessionId } = await one.request("session/new", { cwd: house.work, mcpServers: [] })
  fake.script({ calls: [{ name: "Bash", args: { command: "echo hi" } }] }, { text: "Done." })
  await one.request("session/prompt", { sessionId, prompt: [{ type: "text", text: "go" }] })
  await one.until(isIdle)
  assert.ok(one.updates.some(({ state }) => state === "requires_action"))
  const statuses = one.updates
    .filter((update) => update["sessionUpdate"] === "tool_call_update" && update["status"] !== undefined)
    .map(({ status }) => status)
  assert.deepEqual(statuses, ["pending", "in_progress", "completed"])
  fake.script({ text: "Never ends.", gate: new Promise(() => undefined) })
  await one.request("session/prompt", { sessionId, prompt: [{ type: "text", text: "more" }] })
  await one.until((update) => JSON.stringify(update).includes("Never"))
  await one.notify("session/cancel", { sessionId })
  await one.until((update) => update["stopReason"] === "cancelled")
  await assert.rejects(
    one.request("session/set_config_option", { sessionId, configId: "thought_level", type: "id", value: "fierce" }),
  )
  const changed = await one.request("session/set_config_option", {
    sessionId,
    configId: "thought_level",
    type: "id",
    value: "low",
  })
  const option = (changed["configOptions"] as Fields[]).find(({ configId }) => configId === "thought_level")
  assert.equal(option?.["currentValue"], "low")
})
