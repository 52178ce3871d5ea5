// What waits for a human, through every door of a whole gateway: who may answer, what an answer does, and what a late one is told.
// Elevated mode is asked for here, because it waits for a human whatever the tool policy says.
import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { once } from "node:events"
import http from "node:http"
import { type TestContext, test } from "node:test"
import { fileURLToPath } from "node:url"
import { PincerError } from "../src/base/errors.ts"
import { tokenHash } from "../src/gateway/auth.ts"
import { connectGateway, type GatewayClient } from "../src/protocol/client.ts"
import type { Scope } from "../src/protocol/frame.ts"
import { clawConnect, type Json, openRaw, type Raw } from "./frames.ts"
import { type House, startHouse, TEST_TOKEN } from "./house.ts"
import { PROGRAM } from "./program.ts"

const TERMINAL = fileURLToPath(new URL("./fakes/terminal.py", import.meta.url))
const KEY = "agent:main:leave"

async function open(t: TestContext, options: Parameters<typeof startHouse>[0] = {}): Promise<House> {
  const house = await startHouse(options)
  t.after(() => house.close())
  return house
}

async function client(t: TestContext, house: House, scopes: Scope[], caps: string[] = []): Promise<GatewayClient> {
  const one = await connectGateway({
    url: house.wsUrl,
    token: house.token,
    client: { id: "test", version: "1", platform: "linux", mode: "test" },
    scopes,
    caps,
  })
  t.after(() => one.close())
  return one
}

/** Somebody who may talk but not approve asks for elevated mode; the id of what waits. */
async function ask(t: TestContext, house: House, sessionKey = KEY): Promise<string> {
  const guest = await client(t, house, ["operator.read", "operator.write"])
  const answer = await guest.request<Json>("elevated.set", { sessionKey, level: "ask" })
  assert.equal(answer["status"], "asked")
  assert.equal(await levelOf(guest, sessionKey), "off")
  return String(answer["approvalId"])
}

async function levelOf(someone: GatewayClient, sessionKey = KEY): Promise<unknown> {
  return (await someone.request<Json>("elevated.get", { sessionKey }))["level"]
}

interface Told {
  status: number
  body: Json
}

/** A plain request with exactly these headers. */
function fetchRaw(
  house: House,
  method: string,
  path: string,
  headers: Record<string, string>,
  body = "",
): Promise<Told> {
  return new Promise((resolve, reject) => {
    const request = http.request(`${house.url}${path}`, { method, headers, agent: false }, async (response) => {
      let text = ""
      for await (const chunk of response) text += String(chunk)
      resolve({ status: response.statusCode ?? 0, body: text === "" ? {} : (JSON.parse(text) as Json) })
    })
    request.once("error", reject)
    request.end(body)
  })
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}`, "content-type": "application/json" })

async function deviceToken(house: House, scopes: Scope[]): Promise<string> {
  const token = `token-of-${scopes.join("-")}`
  const row = {
    deviceId: token,
    publicKey: "x",
    clientId: "phone",
    role: "operator",
  }
  await house.parts.store.devices.admit({ ...row, scopes }, "operator")
  await house.parts.store.devices.setToken(token, "operator", tokenHash(token), scopes)
  return token
}

async function rawWire(t: TestContext, house: House, params: (token: string) => unknown): Promise<Raw> {
  const wire = await openRaw(house.wsUrl)
  t.after(() => wire.socket.terminate())
  const answer = await wire.ask("connect", params(house.token))
  assert.equal(answer.ok, true, JSON.stringify(answer.error))
  return wire
}

const claw = (t: TestContext, house: House, protocol: 3 | 4) =>
  rawWire(t, house, (token) => clawConnect(protocol, token, { caps: ["approvals"] }))
const py = (t: TestContext, house: House) =>
  rawWire(t, house, (token) => ({ minProtocol: 1, maxProtocol: 3, clientName: "app", auth: { token } }))

async function pincer(house: House, args: string[]): Promise<{ code: number | null; out: string; err: string }> {
  const child = spawn(process.execPath, [PROGRAM, "--server", house.wsUrl, "--token", house.token, ...args], {
    cwd: house.work,
    env: { PATH: process.env["PATH"] ?? "", HOME: house.home, NO_COLOR: "1" },
    stdio: ["ignore", "pipe", "pipe"],
  })
  const texts = { out: "", err: "" }
  child.stdout.on("data", (chunk) => {
    texts.out += String(chunk)
  })
  child.stderr.on("data", (chunk) => {
    texts.err += String(chunk)
  })
  const [code] = (await once(child, "close")) as [number | null]
  return { code, ...texts }
}

/** The program on a terminal of its own. */
async function play(house: House, args: string[], steps: { expect: string; send: string }[]) {
  const plan = {
    args: [process.execPath, PROGRAM, "--server", house.wsUrl, "--token", house.token, ...args],
    cwd: house.work,
    env: { PATH: process.env["PATH"] ?? "", HOME: house.home, TERM: "xterm", NO_COLOR: "1" },
    steps,
    timeout: 30,
  }
  const child = spawn("python3", [TERMINAL], { stdio: ["pipe", "pipe", "inherit"] })
  child.stdin.end(JSON.stringify(plan))
  let text = ""
  for await (const chunk of child.stdout) text += String(chunk)
  const played = JSON.parse(text) as { exit: number | null; screen: string; missing: string | null }
  assert.equal(played.missing, null, played.screen)
  return played
}

type Answering = (t: TestContext, house: House, id: string) => Promise<void>

const doors: [string, Answering][] = [
  [
    "the control plane, protocol 3",
    async (t, house, id) => {
      const answer = await (await claw(t, house, 3)).ask("exec.approval.resolve", { id, decision: "allow-once" })
      assert.deepEqual([answer.ok, answer.payload?.["decision"]], [true, "allow-once"])
    },
  ],
  [
    "the control plane, protocol 4",
    async (t, house, id) => {
      const params = { approvalId: id, decision: "allow-session", sessionKey: KEY }
      assert.equal((await (await claw(t, house, 4)).ask("exec.approval.resolve", params)).ok, true)
    },
  ],
  [
    "the simple dialect",
    async (t, house, id) => {
      const answer = await (await py(t, house)).ask("tools.exec_approve", { requestId: id, approved: true })
      assert.deepEqual([answer.ok, answer.payload?.["ok"]], [true, true])
    },
  ],
  [
    "HTTP",
    async (_, house, id) => {
      const body = JSON.stringify({ decision: "allow-once" })
      const told = await fetchRaw(house, "POST", `/api/approvals/${id}`, bearer(house.token), body)
      assert.deepEqual([told.status, told.body["decision"]], [200, "allow-once"])
    },
  ],
  [
    "the command line",
    async (_, house, id) => {
      const told = await pincer(house, ["approvals", "allow", id.slice(-8), "--json"])
      assert.deepEqual([told.code, JSON.parse(told.out).decision], [0, "allow-once"], told.err)
    },
  ],
  [
    "the terminal",
    async (_, house) => {
      const played = await play(
        house,
        ["approvals", "watch"],
        [
          { expect: "outside the sandbox[\\s\\S]*\\[n\\] no", send: "y" },
          { expect: "Yes, once", send: "\u0003" },
        ],
      )
      assert.match(played.screen, /test asks for elevated mode "ask"/)
    },
  ],
]

for (const [name, answer] of doors)
  test(`elevated mode that was asked for is granted by one answer through ${name}`, { timeout: 60_000 }, async (t) => {
    const house = await open(t)
    const watcher = await client(t, house, ["operator.read", "operator.approvals"])
    const resolved = Promise.withResolvers<Json>()
    const changed = Promise.withResolvers<Json>()
    watcher.on("exec.approval.resolved", (frame) => resolved.resolve(frame.payload as Json))
    watcher.on("elevated.changed", (frame) => changed.resolve(frame.payload as Json))
    const id = await ask(t, house)
    await answer(t, house, id)
    assert.deepEqual([(await resolved.promise)["id"], (await changed.promise)["level"]], [id, "ask"])
    assert.equal(await levelOf(watcher), "ask")
    const late = await fetchRaw(house, "POST", `/api/approvals/${id}`, bearer(house.token), '{"decision":"deny"}')
    assert.equal(late.status, 409)
    assert.match(String(late.body["error"]?.["message"]), /already resolved: .+ decided "allow-/)
    const wire = await claw(t, house, 4)
    const { error } = await wire.ask("exec.approval.resolve", { id, decision: "deny" })
    assert.equal(error?.details?.["reason"], "APPROVAL_ALREADY_RESOLVED")
    assert.equal(await levelOf(watcher), "ask", "a late answer changes nothing")
  })

test("who may not approve sees no approval, answers none, and removes no rule, on sockets and on HTTP", async (t) => {
  const house = await open(t)
  const id = await ask(t, house)
  const guest = await client(t, house, ["operator.read", "operator.write"], ["approvals"])
  const heard: string[] = []
  guest.on("exec.approval.requested", (frame) => heard.push(frame.event))
  for (const [method, params] of [
    ["exec.approval.list", {}],
    ["exec.approval.get", { id }],
    ["exec.approval.resolve", { id, decision: "allow-once" }],
    ["exec.approve", { id }],
    ["exec.deny", { id }],
    ["tools.exec_approve", { requestId: id, approved: true }],
    ["approvals.rules.list", {}],
    ["approvals.rules.remove", { id }],
  ] as const)
    await assert.rejects(guest.request(method, params), { code: "PERMISSION_DENIED" }, method)
  await ask(t, house, "agent:main:other")
  assert.deepEqual(heard, [])
  const token = await deviceToken(house, ["operator.read", "operator.write"])
  for (const [method, path, body] of [
    ["GET", "/api/approvals", ""],
    ["GET", `/api/approvals/${id}`, ""],
    ["POST", `/api/approvals/${id}`, '{"decision":"allow-once"}'],
  ] as const) {
    assert.equal((await fetchRaw(house, method, path, bearer(token), body)).status, 403, path)
    assert.equal((await fetchRaw(house, method, path, { "content-type": "application/json" }, body)).status, 401, path)
  }
  assert.equal(await levelOf(guest), "off")
})

test("a device with the right to approve is named in the record of its answer", async (t) => {
  const house = await open(t)
  const id = await ask(t, house)
  const token = await deviceToken(house, ["operator.approvals"])
  const body = JSON.stringify({ decision: "deny", reason: "not from there" })
  const told = await fetchRaw(house, "POST", `/api/approvals/${id}`, bearer(token), body)
  assert.deepEqual([told.status, told.body["reason"]], [200, "not from there"])
  const shown = await fetchRaw(house, "GET", `/api/approvals/${id}`, bearer(token))
  assert.deepEqual([shown.body["status"], shown.body["denyReason"]], ["deny", "not from there"])
  assert.match(String(shown.body["resolvedBy"]), /^http \(device token-of-ope/)
})

test("HTTP takes an answer only as JSON, from no other site, for what is there and in words it knows", async (t) => {
  const house = await open(t)
  const id = await ask(t, house)
  const path = `/api/approvals/${id}`
  const allow = '{"decision":"allow-once"}'
  const own = bearer(house.token)
  const { authorization } = own
  for (const [status, method, where, headers, body] of [
    [415, "POST", path, { authorization }, allow],
    [415, "POST", path, { authorization, "content-type": "text/plain" }, allow],
    [415, "POST", path, { authorization, "content-type": "application/x-www-form-urlencoded" }, "decision=allow-once"],
    [403, "POST", path, { ...own, origin: "https://evil.example" }, allow],
    [403, "POST", path, { ...own, host: "evil.example" }, allow],
    [400, "POST", path, own, '{"decision":"yes"}'],
    [400, "POST", path, own, '{"decision":"allow-once","force":true}'],
    [400, "POST", path, own, '{"decision":"allow-once","reason":"why"}'],
    [400, "POST", path, own, '{"decision":"allow-once","sessionKey":"agent:main:other"}'],
    [400, "POST", path, own, '{"decision":"allow-always"}'],
    [400, "POST", path, own, "[]"],
    [400, "POST", "/api/approvals/%zz", own, allow],
    [404, "POST", "/api/approvals/nothing", own, allow],
    [404, "GET", "/api/approvals/nothing", own, ""],
    [404, "GET", `${path}/more`, own, ""],
    [405, "DELETE", path, own, ""],
    [405, "POST", "/api/approvals", own, allow],
  ] as [number, string, string, Record<string, string>, string][])
    assert.equal((await fetchRaw(house, method, where, headers, body)).status, status, `${method} ${where} ${body}`)
  const { body } = await fetchRaw(house, "GET", "/api/approvals", own)
  assert.equal(body["count"], 1)
  assert.equal(Object.values(body["approvals"]!)[0]?.["id"], id, "it still waits")
})

test("elevated mode: status and sessions show it, sessions.patch is another way to it, a reset ends it", async (t) => {
  const house = await open(t)
  const owner = await client(t, house, ["operator.admin"])
  const set = await owner.request<Json>("elevated.set", { sessionKey: "leave", level: "full", durationMs: 60_000 })
  assert.deepEqual([set["status"], set["level"]], ["granted", "full"])
  const [row] = Object.values((await owner.request<Json>("status"))["elevated"]!)
  assert.deepEqual([row?.["sessionKey"], row?.["level"]], [KEY, "full"])
  const told = await pincer(house, ["status"])
  assert.match(told.out, /Elevated\s+agent:main:leave \(full, until 2/)
  await owner.request("sessions.patch", { key: "leave", elevatedLevel: "ask" })
  const list = await owner.request<{ sessions: Json[] }>("sessions.list", {})
  assert.equal(list.sessions[0]?.["elevatedLevel"], "ask")
  await owner.request("sessions.reset", { key: "leave" })
  assert.equal(await levelOf(owner), "off")
  await owner.request("sessions.patch", { key: "leave", elevatedLevel: "full" })
  await owner.request("sessions.patch", { key: "leave", elevatedLevel: null })
  assert.equal(await levelOf(owner), "off")
  await owner.request("sessions.patch", { key: "leave", elevatedLevel: "full" })
  await owner.request("sessions.delete", { key: "leave" })
  assert.equal(await levelOf(owner), "off")
})

test("what waits is withdrawn with the reset and the deletion of its session", async (t) => {
  const house = await open(t)
  const owner = await client(t, house, ["operator.admin"])
  await owner.request("sessions.patch", { key: "leave", label: "x" })
  for (const method of ["sessions.reset", "sessions.delete"]) {
    const id = await ask(t, house)
    await owner.request(method, { key: "leave" })
    await assert.rejects(owner.request("exec.approval.resolve", { id, decision: "allow-once" }), PincerError)
    assert.equal(await levelOf(owner), "off")
    assert.deepEqual(await owner.request("exec.approval.list"), [])
  }
})

test("a gate that is shut is named to everybody who asks, with the key that opens it", async (t) => {
  const house = await open(t, { config: { tools: { elevated: { enabled: false } } } })
  for (const scopes of [["operator.admin"], ["operator.write"]] as Scope[][]) {
    const someone = await client(t, house, scopes)
    await assert.rejects(someone.request("elevated.set", { level: "ask" }), {
      code: "PERMISSION_DENIED",
      message: /tools\.elevated\.enabled is false/,
    })
  }
  const told = await pincer(house, ["ask", "hello", "--elevated", "ask"])
  assert.equal(told.code, 5)
  assert.match(told.err, /tools\.elevated\.enabled/)
})

test("a question outlives the gateway and is answered in its next life; the list of rules is empty", async (t) => {
  const first = await startHouse()
  const id = await ask(t, first)
  await first.stop()
  const house = await open(t, { home: first.home })
  const told = await pincer(house, ["approvals", "list"])
  assert.match(told.out, new RegExp(`${id}\\televated\\t${KEY}`))
  const denied = await pincer(house, ["approvals", "deny", id, "--reason", "no"])
  assert.deepEqual([denied.code, denied.out], [0, "Denied.\n"])
  const late = await pincer(house, ["approvals", "allow", id])
  assert.equal(late.code, 1)
  assert.match(late.err, /already resolved: cli.* decided "deny"/)
  assert.match((await pincer(house, ["approvals", "show", id])).out, /deny by cli.*: no\n/)
  assert.match((await pincer(house, ["approvals", "rules"])).err, /No rules/)
  const forgotten = await pincer(house, ["approvals", "forget", "nothing"])
  assert.equal(forgotten.code, 4)
  assert.equal(house.token, TEST_TOKEN)
})
