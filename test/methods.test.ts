// The method table through the whole house: real sockets, real store, real lanes, both dialects.
import assert from "node:assert/strict"
import { once } from "node:events"
import { type TestContext, test } from "node:test"
import { WebSocket } from "ws"
import { z } from "zod"
import { PincerError } from "../src/base/errors.ts"
import { events } from "../src/gateway/methods/events.ts"
import { methodNames, methods } from "../src/gateway/methods/index.ts"
import { connectGateway, type GatewayClient, newKey } from "../src/protocol/client.ts"
import { ALL_SCOPES, grants } from "../src/protocol/frame.ts"
import { startFakeModel } from "./fakes/model-service.ts"
import { clawConnect, openRaw } from "./frames.ts"
import { type House, startHouse } from "./house.ts"

async function open(t: TestContext, options: Parameters<typeof startHouse>[0] = {}): Promise<House> {
  const house = await startHouse(options)
  t.after(() => house.close())
  return house
}

async function client(t: TestContext, house: House, scopes?: readonly string[]): Promise<GatewayClient> {
  const info = { id: "cli", version: "1", platform: "linux", mode: "cli" }
  const gateway = await connectGateway({ url: house.wsUrl, token: house.token, client: info, scopes })
  t.after(() => gateway.close())
  return gateway
}

interface Answer {
  [key: string]: unknown
  id?: string
  ok?: boolean
  payload?: Answer
  error?: { code: string; message: string; details?: Record<string, unknown> }
}

/** A client of the simple dialect, frame by frame. */
async function simple(t: TestContext, house: House) {
  const socket = new WebSocket(house.wsUrl)
  t.after(() => socket.terminate())
  const waiting = new Map<string, (frame: Answer) => void>()
  socket.on("message", (data) => {
    const frame = JSON.parse(String(data)) as Answer
    if (frame.id !== undefined) waiting.get(frame.id)?.(frame)
  })
  await once(socket, "open")
  const ask = (method: string, params: Record<string, unknown> = {}): Promise<Answer> => {
    const id = newKey()
    const answer = new Promise<Answer>((resolve) => waiting.set(id, resolve))
    socket.send(JSON.stringify({ type: "req", id, method, params }))
    return answer
  }
  const hello = await ask("connect", {
    minProtocol: 1,
    maxProtocol: 3,
    clientName: "test",
    auth: { token: house.token },
  })
  assert.equal(hello.ok, true, JSON.stringify(hello.error))
  return ask
}

/** What a call was refused with, or undefined. */
async function refusal(call: Promise<unknown>): Promise<PincerError | undefined> {
  try {
    await call
    return undefined
  } catch (error) {
    assert.ok(error instanceof PincerError, String(error))
    return error
  }
}

test("hello-ok announces exactly the methods and events of the table", async (t) => {
  const house = await open(t)
  const { hello } = await client(t, house)
  assert.deepEqual([...(hello.features?.methods ?? [])].sort(), methodNames())
  for (const name of hello.features?.events ?? [])
    assert.ok(
      events.some((kind) => kind.name === name),
      `${name} is not described`,
    )
})

/** Calls as these rights; connects anew before too many refusals close the connection. */
async function asking(t: TestContext, house: House, held: readonly string[]) {
  let gateway = await client(t, house, held)
  let refusals = 0
  return async (name: string, params: Record<string, unknown>): Promise<PincerError | undefined> => {
    if (refusals === 40) {
      gateway.close()
      gateway = await client(t, house, held)
      refusals = 0
    }
    const refused = await refusal(gateway.request(name, params, { timeoutMs: 10_000 }))
    if (refused?.details?.["code"] === "MISSING_SCOPE" || refused?.code === "PERMISSION_DENIED") refusals += 1
    return refused
  }
}

test("every method asks for exactly its own scope, for every set of rights", async (t) => {
  const house = await open(t)
  for (const held of [...ALL_SCOPES.map((scope) => [scope]), ["operator.read", "operator.approvals"]]) {
    const ask = await asking(t, house, held)
    for (const entry of methods)
      for (const name of [entry.name, ...(entry.aliases ?? [])]) {
        // What may be called is called where that is refused for other reasons: see the next test.
        if (grants(held, entry.scope) && !hasParams(entry)) continue
        const refused = await ask(name, grants(held, entry.scope) ? badParams(entry) : {})
        const missing = refused?.details?.["code"] === "MISSING_SCOPE"
        assert.equal(missing, !grants(held, entry.scope), `${name} for ${held.join(", ")}: ${refused?.message}`)
        if (missing) assert.equal(refused?.message, `missing scope: ${entry.scope}`)
      }
  }
})

/** JSON Schema of what a method takes: the names of its params. */
function paramNames({ params }: (typeof methods)[number]): string[] {
  const schema = z.toJSONSchema(params, { io: "input", unrepresentable: "any" })
  const places = [schema, ...(schema.anyOf ?? []), ...(schema.oneOf ?? []), ...(schema.allOf ?? [])]
  return places.flatMap((one) => (typeof one === "object" && one.properties ? Object.keys(one.properties) : []))
}

function hasParams(entry: (typeof methods)[number]): boolean {
  return paramNames(entry).length > 0
}

/** Something under every name that none of them can be. */
function badParams(entry: (typeof methods)[number]): Record<string, unknown> {
  return Object.fromEntries(paramNames(entry).map((name) => [name, [[["bad"]]]]))
}

test("every method that takes params refuses bad ones with a sentence, and none takes anything but an object", async (t) => {
  const house = await open(t)
  const wire = await openRaw(house.wsUrl)
  t.after(() => wire.socket.terminate())
  await wire.ask("connect", clawConnect(4, house.token))
  for (const entry of methods) {
    const list = await wire.ask(entry.name, ["no", "object"])
    assert.match(list.error?.message ?? "", /must be an object/, entry.name)
    if (!hasParams(entry)) continue
    const bad = await wire.ask(entry.name, badParams(entry))
    assert.equal(bad.ok, false, `${entry.name} takes ${JSON.stringify(badParams(entry))}`)
    assert.equal(bad.error?.details?.["code"], "INVALID_PARAMS", `${entry.name}: ${bad.error?.message}`)
    assert.match(bad.error?.message ?? "", /\S.{10,}/, entry.name)
  }
})

test("an unknown method is refused under its own word in each dialect", async (t) => {
  const house = await open(t)
  const gateway = await client(t, house)
  assert.equal((await refusal(gateway.request("no.such")))?.message, "unknown method: no.such")
  const ask = await simple(t, house)
  assert.equal((await ask("no.such")).error?.code, "METHOD_NOT_FOUND")
  for (const name of ["tts.speak", "push.send", "voicewake.status"]) {
    assert.equal((await ask(name)).error?.code, "NOT_IMPLEMENTED", name)
    assert.equal((await refusal(gateway.request(name)))?.message, `unknown method: ${name}`)
  }
  assert.equal((await ask("chat.send", { message: " " })).error?.code, "INVALID_PARAMS")
  assert.equal((await ask("sessions.get", { sessionId: "never" })).error?.code, "NOT_FOUND")
})

test("one turn is visible in every list of both dialects", async (t) => {
  const house = await open(t)
  const gateway = await client(t, house)
  const ask = await simple(t, house)
  const said = (await ask("chat.send", { message: "Hello", sessionId: "work" })).payload
  assert.equal(said?.["completed"], true, JSON.stringify(said))
  const listed = await gateway.request<{ sessions: { key: string; path: string }[] }>("sessions.list")
  assert.equal(listed.sessions[0]?.key, "agent:main:work")
  const history = await gateway.request<{ messages: { role: string }[] }>("chat.history", { sessionKey: "work" })
  assert.deepEqual(
    history.messages.map((message) => message.role),
    ["user", "assistant"],
  )
  const rows = (await ask("sessions.list")).payload?.["sessions"] as { path: string; size: number }[]
  assert.ok((rows[0]?.size ?? 0) > 0)
  const preview = (await ask("sessions.preview", { path: rows[0]?.path })).payload
  assert.equal((preview?.["messages"] as unknown[]).length, 2)
  const usage = await gateway.request<{ totals: { turns: number } }>("usage.get")
  assert.equal(usage.totals.turns, 1)
  const health = await gateway.request<{ status: string; connections: number }>("health", { probe: true })
  assert.equal(health.status, "ok")
  assert.equal(health.connections, 2)
  assert.ok(Array.isArray((await ask("tools.list")).payload))
  assert.ok(Array.isArray((await ask("agents.list")).payload))
  assert.ok(!Array.isArray((await ask("agents.list", { envelope: true })).payload))
})

test("an idempotency key is known after a restart", async (t) => {
  const house = await open(t)
  const first = await client(t, house)
  const params = { sessionKey: "work", message: "Hello", idempotencyKey: newKey() }
  const done = await first.request<{ text: string }>("chat.send", { ...params, wait: true })
  await house.stop()
  await first.closed
  const again = await open(t, { home: house.home })
  const second = await client(t, again)
  assert.deepEqual(await second.request("chat.send", params), { runId: params.idempotencyKey, status: "ok" })
  const repeated = await second.request<{ text: string }>("chat.send", { ...params, wait: true })
  assert.equal(repeated.text, done.text)
  const history = await second.request<{ messages: unknown[] }>("chat.history", { sessionKey: "work" })
  assert.equal(history.messages.length, 2)
})

test("agent answers twice on one id, and agent.wait finds the run", async (t) => {
  const house = await open(t)
  const gateway = await client(t, house)
  const stages: unknown[] = []
  const final = await gateway.request<{ status: string; runId: string; result: { payloads: { text: string }[] } }>(
    "agent",
    { message: "Hello", sessionKey: "work", idempotencyKey: newKey() },
    { expectFinal: true, onAccepted: (payload) => stages.push(payload) },
  )
  assert.equal(stages.length, 1)
  assert.equal(final.status, "ok")
  assert.ok((final.result.payloads[0]?.text.length ?? 0) > 0)
  assert.equal((await gateway.request<{ status: string }>("agent.wait", { runId: final.runId })).status, "ok")
})

test("config.get does not show the token or a key over the wire", async (t) => {
  const secret = "sk-test-0123456789abcdefghij"
  const mine = { wire: "openai-chat", baseUrl: "http://127.0.0.1:9/v1", apiKey: secret, models: ["m"] }
  const house = await open(t, { config: { providers: { mine } } })
  const shown = JSON.stringify(await (await client(t, house, ["operator.read"])).request("config.get"))
  assert.ok(!shown.includes(secret) && !shown.includes(house.token))
})

test("a client that loses its socket in the middle of a turn still hears how it ended", async (t) => {
  const house = await open(t)
  const sockets: WebSocket[] = []
  class Watched extends WebSocket {
    constructor(url: string) {
      super(url)
      sockets.push(this)
    }
  }
  const info = { id: "cli", version: "1", platform: "linux", mode: "cli" }
  const reconnect = { minDelayMs: 1, maxDelayMs: 5, maxAttempts: 100 }
  const gateway = await connectGateway({
    url: house.wsUrl,
    token: house.token,
    client: info,
    reconnect,
    WebSocket: Watched,
  })
  t.after(() => gateway.close())
  const restored = new Promise<unknown>((resolve) =>
    gateway.on("connection.restored", (frame) => resolve(frame.payload)),
  )
  const final = new Promise<unknown>((resolve) => {
    gateway.on("chat", (frame) => {
      const payload = frame.payload as { state: string; runId: string }
      if (payload.state === "final") resolve(payload.runId)
    })
  })
  const { runId } = await gateway.request<{ runId: string }>("chat.send", { sessionKey: "work", message: "Hello" })
  sockets[0]!.terminate()
  assert.deepEqual(await restored, { resumed: true })
  assert.equal(await final, runId)
})

test("who lists sessions hears what becomes of one, who shows it hears its messages and calls, in order", async (t) => {
  const fake = await startFakeModel()
  t.after(() => fake.close())
  const house = await open(t, { fake: fake.url })
  const gateway = await client(t, house)
  const heard: { event: string; payload: Record<string, unknown> }[] = []
  const told = Promise.withResolvers<void>()
  gateway.on("*", ({ event, payload }) => {
    const one = { event, payload: payload as Record<string, unknown> }
    heard.push(one)
    if (event === "sessions.changed" && one.payload["phase"] === "end") told.resolve()
  })
  await gateway.request("sessions.subscribe")
  await gateway.request("sessions.messages.subscribe", { key: "work" })
  fake.script({ calls: [{ name: "LS", args: { path: "." } }] }, { text: "Nothing there." })
  await gateway.request("sessions.send", { key: "work", message: "look", cwd: house.work, wait: true })
  await told.promise
  const names = heard.map(({ event, payload }) =>
    event === "session.message"
      ? `message ${(payload["message"] as { role: string }).role}`
      : event === "session.tool"
        ? `tool ${String(payload["phase"])}`
        : event === "sessions.changed"
          ? `changed ${String(payload["reason"] ?? payload["phase"])}`
          : "",
  )
  assert.deepEqual(
    names.filter((name) => name.startsWith("message") || name.startsWith("tool")),
    ["message user", "message assistant", "tool start", "tool result", "message toolResult", "message assistant"],
  )
  const changes = names.filter((name) => name.startsWith("changed"))
  assert.deepEqual([changes[0], changes[1], changes.at(-1)], ["changed start", "changed send", "changed end"])
  const last = heard.findLast(({ event }) => event === "sessions.changed")
  assert.equal((last?.payload["session"] as { key: string }).key, "agent:main:work")
})
