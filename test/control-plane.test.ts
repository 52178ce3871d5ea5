// The control plane as clients of all three dialects see it, frame by frame: handshakes, every way to fail one, requests, events,
// approvals, and coming back after a lost socket.
import assert from "node:assert/strict"
import { after, before, beforeEach, test } from "node:test"
import { tokenHash } from "../src/gateway/auth.ts"
import { ALL_SCOPES } from "../src/protocol/frame.ts"
import { type FakeModel, startFakeModel } from "./fakes/model-service.ts"
import { CLI, clawConnect, type Frame, type Json, makeDevice, openRaw, type Raw, signed } from "./frames.ts"
import { type House, NO_SANDBOX, startHouse } from "./house.ts"

let fake: FakeModel
let house: House
const open: Raw[] = []

before(async () => {
  fake = await startFakeModel()
  house = await startHouse({ fake: fake.url, config: NO_SANDBOX })
})
beforeEach(() => {
  for (const raw of open.splice(0)) raw.socket.terminate()
})
after(async () => {
  for (const raw of open) raw.socket.terminate()
  await house.close()
  await fake.close()
})

/** From another machine, as a reverse proxy tells. */
const AWAY = { headers: { "x-forwarded-for": "203.0.113.9" } }

async function raw(options?: Parameters<typeof openRaw>[1]): Promise<Raw> {
  const one = await openRaw(house.wsUrl, options)
  open.push(one)
  return one
}

async function claw(protocol: 3 | 4, more: Record<string, unknown> = {}): Promise<{ wire: Raw; hello: Json }> {
  const wire = await raw()
  const answer = await wire.ask("connect", clawConnect(protocol, house.token, more))
  assert.equal(answer.ok, true, JSON.stringify(answer.error))
  return { wire, hello: answer.payload! }
}

async function py(more: Record<string, unknown> = {}): Promise<{ wire: Raw; hello: Json }> {
  const wire = await raw()
  const params = { minProtocol: 1, maxProtocol: 3, clientName: "my-app", auth: { token: house.token }, ...more }
  const answer = await wire.ask("connect", params)
  assert.equal(answer.ok, true, JSON.stringify(answer.error))
  return { wire, hello: answer.payload! }
}

const isFinal = (frame: Frame) => frame.event === "chat" && String(frame.payload?.["state"]) === "final"
const plain = (value: unknown) => JSON.parse(JSON.stringify(value)) as unknown

test("the challenge comes first, with a nonce of its own, a time, and no number", async () => {
  const [one, two] = [await raw(), await raw()]
  const [a, b] = [await one.challenge(), await two.challenge()]
  assert.match(a.nonce, /^[0-9a-f-]{36}$/)
  assert.notEqual(a.nonce, b.nonce)
  assert.ok(Math.abs(a.ts - Date.now()) < 60_000)
  assert.deepEqual(Object.keys(one.frames[0]!).sort(), ["event", "payload", "type"])
})

for (const protocol of [3, 4] as const)
  for (const version of [1, 2, 3] as const)
    test(`golden handshake: protocol ${protocol}, device, signature version ${version}`, async () => {
      const wire = await raw()
      const device = makeDevice()
      const params = signed(version, device, clawConnect(protocol, house.token), await wire.challenge())
      const { ok, payload: hello, error } = await wire.ask("connect", params)
      assert.ok(ok, JSON.stringify(error))
      assert.equal(String(hello!["type"]), "hello-ok")
      assert.equal(Number(hello!["protocol"]), protocol)
      const { auth, server, features, snapshot, policy } = hello!
      assert.match(String(auth!["deviceToken"]), /^[\w-]{43}$/)
      assert.equal(auth!["role"], "operator")
      assert.deepEqual(plain(auth!["scopes"]), ["operator.admin"])
      assert.ok(Number(auth!["issuedAtMs"]) > 0)
      for (const field of ["version", "connId", "bootId", "platform"]) assert.ok(server![field], field)
      assert.ok(Array.isArray(plain(features!["methods"])) && Array.isArray(plain(features!["events"])))
      assert.ok((plain(features!["capabilities"]) as string[]).includes("events-resume"))
      for (const field of ["presence", "health", "stateVersion", "configPath", "stateDir", "sessionDefaults"])
        assert.ok(snapshot![field], field)
      assert.ok(Number(snapshot!["uptimeMs"]) >= 0)
      assert.equal(snapshot!["sessionDefaults"]!["mainSessionKey"], "agent:main:main")
      assert.deepEqual(
        [policy!["maxPayload"], policy!["maxBufferedBytes"], policy!["tickIntervalMs"]],
        [26_214_400, 52_428_800, 30_000],
      )
      assert.ok(policy!["attachments"] && policy!["replay"])
      // Stored as a hash, never as itself.
      const stored = await house.parts.store.devices.byTokenHash(tokenHash(String(auth!["deviceToken"])))
      assert.equal(stored?.device.deviceId, device.id)
    })

test("golden handshake: the simple dialect needs neither challenge nor device, and has every right", async () => {
  const { hello } = await py()
  assert.equal(Number(hello["protocol"]), 3)
  assert.equal(hello["server"]!["name"], "pincer")
  assert.deepEqual(plain(hello["auth"]!["scopes"]), [...ALL_SCOPES].sort())
  assert.ok(hello["health"]!["ok"])
})

test("the highest common protocol is chosen", async () => {
  for (const [min, max, chosen] of [
    [3, 4, 4],
    [1, 9, 4],
    [4, 9, 4],
    [1, 3, 3],
    [3, 3, 3],
  ] as const) {
    const wire = await raw()
    const answer = await wire.ask("connect", { ...clawConnect(3, house.token), minProtocol: min, maxProtocol: max })
    assert.equal(Number(answer.payload?.["protocol"]), chosen, `${min}..${max}`)
  }
})

test("scopes: what was asked for; nothing asked is everything in protocol 3 and nothing in 4; paths are for admins", async () => {
  const scopes = async (protocol: 3 | 4, asked: string[] | undefined) => {
    const { hello } = await claw(protocol, { scopes: asked })
    return { scopes: plain(hello["auth"]!["scopes"]), snapshot: hello["snapshot"]! }
  }
  const read = await scopes(4, ["operator.read", "operator.invented"])
  assert.deepEqual(read.scopes, ["operator.read"])
  assert.ok(!("configPath" in read.snapshot) && !("stateDir" in read.snapshot))
  assert.deepEqual((await scopes(3, undefined)).scopes, ["operator.admin"])
  const none = await scopes(4, undefined)
  assert.deepEqual(none.scopes, [])
  assert.deepEqual(plain(none.snapshot["presence"]), [], "who is connected is for those who may read")
  assert.ok(!("sessions" in none.snapshot["health"]!))
})

test("clients nobody knows, fields nobody knows, and __proto__ do not matter", async () => {
  const wire = await raw()
  await wire.challenge()
  const client = JSON.stringify({ id: "my-own", version: "1", platform: "x", mode: "operator", colour: "red" })
  wire.send(
    `{"type":"req","id":"1","method":"connect","trace":1,"__proto__":{"x":1},"params":{"minProtocol":4,"maxProtocol":4,"client":${client},"scopes":["operator.read"],"auth":{"token":"${house.token}","__proto__":{"y":1}},"__proto__":{"scopes":["operator.admin"]},"constructor":{"prototype":{"z":1}}}}`,
  )
  const hello = await wire.until((frame) => frame.id === "1")
  assert.equal(hello.ok, true, JSON.stringify(hello.error))
  assert.deepEqual(plain(hello.payload!["auth"]!["scopes"]), ["operator.read"])
  assert.ok(!("x" in {}) && !("y" in {}) && !("z" in {}))
})

test("the token may stand in auth.password", async () => {
  await claw(4, { auth: { password: house.token } })
})

interface Failure {
  name: string
  first: unknown
  answer?: { code: string; message: RegExp; detail?: string }
  close: [number, RegExp]
}

const bad = (params: Record<string, unknown>) => ({ type: "req", id: "1", method: "connect", params })

const FAILURES: Failure[] = [
  {
    name: "a request other than connect",
    first: { type: "req", id: "1", method: "health" },
    answer: { code: "AUTH_REQUIRED", message: /^invalid handshake: first request must be connect$/ },
    close: [1008, /^invalid handshake: first request must be connect$/],
  },
  { name: "JSON that is no request", first: { hello: 1 }, close: [1008, /^invalid request frame$/] },
  { name: "a request without id", first: { type: "req", method: "connect" }, close: [1008, /^invalid request frame$/] },
  { name: "text that is no JSON", first: "not json", close: [1000, /^$/] },
  { name: "JSON of great depth", first: "[".repeat(5_000), close: [1000, /^$/] },
  {
    name: "params that are no object",
    first: { type: "req", id: "1", method: "connect", params: [] },
    answer: { code: "INVALID_REQUEST", message: /^invalid connect params: / },
    close: [1008, /^invalid connect params: /],
  },
  {
    name: "no protocol range",
    first: bad({ client: CLI }),
    answer: { code: "INVALID_REQUEST", message: /minProtocol/ },
    close: [1008, /^invalid connect params: /],
  },
  {
    name: "a client without version",
    first: bad({ minProtocol: 4, maxProtocol: 4, client: { ...CLI, version: undefined } }),
    answer: { code: "INVALID_REQUEST", message: /'version'/ },
    close: [1008, /^invalid connect params: /],
  },
  ...[
    [1, 2],
    [5, 9],
  ].map(([minProtocol, maxProtocol]) => ({
    name: `protocol ${minProtocol}..${maxProtocol}`,
    first: bad({ minProtocol, maxProtocol, client: CLI }),
    answer: { code: "INVALID_REQUEST", message: /^protocol mismatch$/, detail: "PROTOCOL_MISMATCH" },
    close: [1002, /^protocol mismatch$/] as [number, RegExp],
  })),
  {
    name: "an unknown role",
    first: bad(clawConnect(4, "x", { role: "root" })),
    answer: { code: "INVALID_REQUEST", message: /^invalid role$/ },
    close: [1008, /^invalid role$/],
  },
  {
    name: "a wrong token",
    first: bad(clawConnect(4, "wrong")),
    answer: {
      code: "INVALID_REQUEST",
      message: /^unauthorized: gateway token mismatch \(/,
      detail: "AUTH_TOKEN_MISMATCH",
    },
    close: [1008, /^unauthorized: gateway token mismatch/],
  },
  {
    name: "no token",
    first: bad(clawConnect(3, "x", { auth: undefined })),
    answer: {
      code: "INVALID_REQUEST",
      message: /^unauthorized: gateway token missing \(/,
      detail: "AUTH_TOKEN_MISSING",
    },
    close: [1008, /^unauthorized: gateway token missing/],
  },
  {
    name: "a wrong password",
    first: bad(clawConnect(4, "x", { auth: { password: "wrong" } })),
    answer: { code: "INVALID_REQUEST", message: /password mismatch/, detail: "AUTH_PASSWORD_MISMATCH" },
    close: [1008, /password mismatch/],
  },
  {
    name: "a bogus device token",
    first: bad(clawConnect(4, "x", { auth: { deviceToken: "wrong" } })),
    answer: { code: "INVALID_REQUEST", message: /device token mismatch/, detail: "AUTH_DEVICE_TOKEN_MISMATCH" },
    close: [1008, /device token mismatch/],
  },
  {
    name: "a wrong token in the simple dialect",
    first: bad({ minProtocol: 1, maxProtocol: 3, clientName: "a", auth: { token: "wrong" } }),
    answer: { code: "AUTH_REQUIRED", message: /^unauthorized: /, detail: "AUTH_TOKEN_MISMATCH" },
    close: [1008, /^unauthorized: /],
  },
  {
    name: "a broken device",
    first: bad(
      clawConnect(4, "x", { device: { id: "a", publicKey: "b", signature: "c", signedAt: Date.now(), nonce: "d" } }),
    ),
    answer: {
      code: "INVALID_REQUEST",
      message: /^device public key invalid$/,
      detail: "DEVICE_AUTH_PUBLIC_KEY_INVALID",
    },
    close: [1008, /^device public key invalid$/],
  },
]

for (const { name, first, answer, close } of FAILURES)
  test(`a connection that begins with ${name} is refused in the words that clients know`, async () => {
    const wire = await raw()
    await wire.challenge()
    wire.send(first)
    const closed = await wire.closed
    assert.equal(closed.code, close[0])
    assert.match(closed.reason, close[1])
    const response = wire.frames.find((frame) => frame.type === "res")
    if (!answer) {
      assert.equal(response, undefined)
      return
    }
    assert.equal(response?.ok, false)
    assert.equal(response.error?.code, answer.code)
    assert.match(response.error.message, answer.message)
    if (answer.detail !== undefined) assert.equal(response.error.details?.["code"], answer.detail)
  })

test("a recorded connect is good for nothing: not on another connection, not with anything changed", async () => {
  const device = makeDevice()
  const first = await raw()
  const recorded = signed(3, device, clawConnect(4, house.token), await first.challenge())
  assert.equal((await first.ask("connect", recorded)).ok, true)
  const replay = async (params: unknown) => {
    const wire = await raw()
    const { error } = await wire.ask("connect", params)
    assert.equal((await wire.closed).code, 1008)
    return error?.details?.["code"]
  }
  assert.equal(await replay(recorded), "DEVICE_AUTH_NONCE_MISMATCH")
  const { nonce: _, ...bare } = recorded.device
  assert.equal(await replay({ ...recorded, device: bare }), "DEVICE_AUTH_SIGNATURE_INVALID")
  const wire = await raw()
  const own = signed(3, device, clawConnect(4, house.token, { scopes: ["operator.read"] }), await wire.challenge())
  const { error } = await wire.ask("connect", { ...own, scopes: ["operator.admin"] })
  assert.equal(error?.details?.["code"], "DEVICE_AUTH_SIGNATURE_INVALID")
  // The old form without nonce, which only this machine may use, counts once.
  const old = signed(1, device, clawConnect(3, house.token), await (await raw()).challenge())
  assert.equal((await (await raw()).ask("connect", old)).ok, true)
  assert.equal(await replay(old), "DEVICE_AUTH_SIGNATURE_EXPIRED")
})

test("from elsewhere: no device, no entry; an unknown device waits for approval and then gets what was approved", async () => {
  const bare = await raw(AWAY)
  const refused = await bare.ask("connect", clawConnect(4, house.token))
  assert.deepEqual(
    [refused.error?.code, refused.error?.message, refused.error?.details?.["code"]],
    ["NOT_PAIRED", "device identity required", "DEVICE_IDENTITY_REQUIRED"],
  )
  assert.deepEqual(await bare.closed, { code: 1008, reason: "device identity required" })

  const device = makeDevice()
  const knock = async (scopes: string[], role = "operator") => {
    const wire = await raw(AWAY)
    const params = clawConnect(4, house.token, { scopes, role })
    return { wire, answer: await wire.ask("connect", signed(3, device, params, await wire.challenge())) }
  }
  const { wire, answer } = await knock(["operator.read"])
  const { requestId } = answer.error!.details!
  assert.deepEqual(
    [answer.error!.code, answer.error!.message],
    ["NOT_PAIRED", "pairing required: device is not approved yet"],
  )
  assert.equal(answer.error!.details!["reason"], "not-paired")
  assert.match((await wire.closed).reason, /^pairing required: .*\(requestId: [\w-]+\)$/)
  assert.equal(
    (await knock(["operator.read"])).answer.error?.details?.["requestId"],
    requestId,
    "one wish, one request",
  )

  const row = { deviceId: device.id, publicKey: device.publicKey, clientId: "cli" }
  await house.parts.store.devices.admit({ ...row, role: "operator", scopes: ["operator.read"] }, "operator")
  const { answer: welcome } = await knock(["operator.read"])
  assert.equal(welcome.ok, true, JSON.stringify(welcome.error))
  const token = String(welcome.payload!["auth"]!["deviceToken"])
  assert.equal((await knock(["operator.admin"])).answer.error?.details?.["reason"], "scope-upgrade")
  assert.equal((await knock([], "node")).answer.error?.details?.["reason"], "role-upgrade")

  // The device's own token opens for that device only, and never for more than it was given.
  const byToken = async (key: typeof device, scopes: string[], auth: { token?: string; deviceToken?: string }) => {
    const one = await raw(AWAY)
    const params = { ...clawConnect(4, "", { scopes }), auth }
    return one.ask("connect", signed(2, key, params, await one.challenge()))
  }
  for (const auth of [{ token }, { deviceToken: token }]) {
    const mine = await byToken(device, ["operator.read"], auth)
    assert.equal(mine.ok, true, JSON.stringify(mine.error))
    assert.equal(mine.payload!["auth"]!["method"], "device-token")
    assert.equal((await byToken(device, ["operator.write"], auth)).error?.details?.["reason"], "scope-upgrade")
    assert.equal((await byToken(makeDevice(), ["operator.read"], auth)).error?.code, "INVALID_REQUEST")
  }
})

test("guesses from elsewhere are locked out, with the same words for a bogus device token; this machine is not", async () => {
  const from = { headers: { "x-forwarded-for": "203.0.113.77" } }
  const words = new Set<string>()
  let locked: Frame["error"]
  for (let i = 0; i < 30 && !locked; i++) {
    const wire = await raw(from)
    const auth = i % 2 === 0 ? { token: `guess-${i}` } : { token: `guess-${i}`, deviceToken: "bogus" }
    const { error } = await wire.ask("connect", clawConnect(4, "", { auth }))
    if (error?.details?.["code"] === "AUTH_RATE_LIMITED") locked = error
    else words.add(error!.message)
  }
  assert.equal(words.size, 1)
  assert.ok(locked && locked.retryAfterMs! > 0)
  const right = await raw(from)
  assert.equal((await right.ask("connect", clawConnect(4, house.token))).error?.details?.["code"], "AUTH_RATE_LIMITED")
  await claw(4)
})

test("after hello: nonsense is answered or ignored, and the connection stays", async () => {
  const { wire } = await claw(4)
  wire.send("not json")
  wire.send("[".repeat(5_000))
  wire.send({ type: "req", id: "x1" })
  const frame = await wire.until((one) => one.id === "x1")
  assert.equal(frame.error?.code, "INVALID_REQUEST")
  assert.match(frame.error.message, /^invalid request frame: /)
  wire.send({ type: "what" })
  assert.equal((await wire.until((one) => one.id === "invalid")).ok, false)
  const again = await wire.ask("connect", {})
  assert.equal(again.error?.message, "connect is only valid as the first request")
  assert.equal((await wire.ask("no.such")).error?.message, "unknown method: no.such")
  assert.match((await wire.ask("chat.send", { sessionKey: 5 })).error!.message, /^invalid chat.send params: /)
  assert.match((await wire.ask("chat.send", [])).error!.message, /^invalid chat.send params: /)
  const huge = await wire.ask("chat.history", { sessionKey: "x", padding: "y".repeat(200_000) })
  assert.equal(huge.ok, true, "larger than a stranger's frame may be")
  assert.equal((await wire.ask("health")).ok, true)
})

test("a caller without the right is told which; one that goes on is put out", async () => {
  for (const [protocol, code] of [
    [3, "INVALID_REQUEST"],
    [4, "FORBIDDEN"],
  ] as const) {
    const { wire } = await claw(protocol, { scopes: ["operator.read"] })
    const { error } = await wire.ask("chat.send", { sessionKey: "x", message: "y" })
    assert.deepEqual(
      [error?.code, error?.message, error?.details?.["code"], error?.details?.["missingScope"]],
      [code, "missing scope: operator.write", "MISSING_SCOPE", "operator.write"],
    )
    for (let i = 0; i < 50; i++) wire.send({ type: "req", id: `f${i}`, method: "chat.send", params: {} })
    assert.deepEqual(await wire.closed, { code: 1008, reason: "repeated unauthorized calls" })
  }
})

test("a node has no operator's rights, whatever it asks for", async () => {
  const { wire, hello } = await claw(4, { role: "node", scopes: ["operator.admin"], caps: ["approvals"] })
  assert.deepEqual(plain(hello["auth"]!["scopes"]), [])
  assert.equal((await wire.ask("status")).error?.message, "unauthorized role: node")
  assert.equal((await wire.ask("health")).ok, true, "how the gateway is, nodes may ask")
  assert.equal(house.gateway.parts.approvals.canAsk("agent:main:main"), false)
})

test("a failure of our own is told without its insides", async () => {
  const { wire } = await claw(4)
  const { sessions } = house.parts.store
  const list = sessions.list
  sessions.list = async () => {
    throw new TypeError("/home/secret/path is broken")
  }
  try {
    const { error } = await wire.ask("sessions.list", {})
    assert.equal(error?.code, "UNAVAILABLE")
    assert.equal(error.details?.["code"], "INTERNAL_ERROR")
    assert.doesNotMatch(JSON.stringify(error), /secret/)
  } finally {
    sessions.list = list
  }
})

test("golden chat run, protocol 4: acknowledged, told as it goes, ended once, numbers without holes", async () => {
  fake.script({ text: "Hello from the fake model." })
  const { wire } = await claw(4, { caps: ["tool-events"] })
  const key = "run-golden-4"
  const sent = await wire.ask("chat.send", { sessionKey: "golden4", message: "hi", idempotencyKey: key })
  assert.deepEqual(plain(sent.payload), { runId: key, status: "started" })
  await wire.until(isFinal)
  const mine = wire.frames.filter((frame) => frame.payload?.["runId"] !== undefined && frame.type === "event")
  const chats = mine.filter((frame) => frame.event === "chat")
  const deltas = chats.filter((frame) => String(frame.payload!["state"]) === "delta")
  assert.equal(deltas.map((frame) => frame.payload!["deltaText"]).join(""), "Hello from the fake model.")
  const text = (frame: Frame) => (plain(frame.payload!["message"]) as { content: { text: string }[] }).content[0]!.text
  assert.equal(text(deltas.at(-1)!), "Hello from the fake model.")
  assert.equal(text(chats.at(-1)!), "Hello from the fake model.")
  assert.equal(String(chats.at(-1)!.payload!["stopReason"]), "stop")
  assert.equal(chats.filter((frame) => /final|aborted|error/.test(String(frame.payload!["state"]))).length, 1)
  const phases = chats
    .filter((frame) => String(frame.payload!["state"]) === "status")
    .map((frame) => String(frame.payload!["phase"]))
  assert.deepEqual(phases, ["preparing_context", "starting_model"])
  const agents = mine.filter((frame) => frame.event === "agent")
  assert.ok(
    agents.every((frame, i) => i === 0 || Number(frame.payload!["seq"]) > Number(agents[i - 1]!.payload!["seq"])),
  )
  const numbered = wire.frames.filter((frame) => frame.seq !== undefined).map((frame) => frame.seq)
  assert.deepEqual(
    numbered,
    numbered.map((_, i) => i + 1),
  )
})

test("golden chat run, protocol 3: no status, no tools unless verbose or asked for", async () => {
  fake.script({ calls: [{ name: "Read", args: { path: "a.txt" } }] }, { text: "Done." })
  const { wire } = await claw(3)
  await wire.ask("chat.send", { sessionKey: "golden3", message: "hi", idempotencyKey: "run-golden-3" })
  await wire.until(isFinal)
  const streams = wire.frames
    .filter((frame) => frame.event === "agent")
    .map((frame) => String(frame.payload!["stream"]))
  assert.equal(streams[0], "lifecycle")
  assert.ok(!streams.includes("tool") && !streams.includes("run_status") && !streams.includes("thinking"))
  assert.ok(!wire.frames.some((frame) => frame.event === "chat" && String(frame.payload!["state"]) === "status"))
})

test("golden chat run, simple dialect: increments, one chat.done, then the answer", async () => {
  fake.script({ text: "Hello again." })
  const { wire } = await py()
  const other = await py()
  const answer = await wire.ask("chat.send", { message: "Hello", sessionId: "s1" })
  assert.equal(answer.payload?.["completed"], true)
  const events = wire.frames.filter((frame) => frame.type === "event" && frame.event !== "connect.challenge")
  assert.deepEqual([...new Set(events.map((frame) => frame.event))], ["chat.delta", "chat.done"])
  assert.equal(
    events
      .filter((frame) => frame.event === "chat.delta")
      .map((frame) => frame.payload!["delta"])
      .join(""),
    "Hello again.",
  )
  assert.equal(String(events[0]!.payload!["sessionId"]), "s1")
  assert.ok(wire.frames.indexOf(events.at(-1)!) < wire.frames.indexOf(answer), "the ending comes before the answer")
  assert.deepEqual(
    events.map((frame) => frame.seq),
    events.map((_, i) => i + 1),
  )
  assert.ok(!other.wire.frames.some((frame) => frame.event?.startsWith("chat.")), "others hear only their own turns")
})

test("requests of one connection are served side by side: an abort overtakes the send that it stops", async () => {
  fake.script({ text: "Never ending", fail: { type: "stall", after: "first" } })
  const { wire } = await py()
  const sending = wire.ask("chat.send", { message: "Hello", sessionId: "abort" })
  await wire.until((frame) => frame.event === "chat.delta")
  const aborted = await wire.ask("chat.abort", { sessionId: "abort" })
  assert.equal(aborted.payload?.["aborted"], true)
  const answer = await sending
  assert.deepEqual([answer.payload?.["completed"], answer.payload?.["aborted"]], [false, true])
  const endings = wire.frames.filter((frame) => frame.event === "chat.done" || frame.event === "chat.error")
  assert.equal(endings.length, 1)
  assert.equal(endings[0]!.payload!["aborted"], true)
})

test("a failed run is one chat error event, and one chat.error", async () => {
  fake.script({ fail: { type: "status", status: 400, body: '{"error":{"message":"no"}}' } })
  const { wire } = await claw(4)
  const simple = await py()
  const { error } = await simple.wire.ask("chat.send", { message: "Hello", sessionId: "fails" })
  assert.equal(error?.code, "INTERNAL_ERROR")
  await wire.until((frame) => frame.event === "chat" && String(frame.payload!["state"]) === "error")
  assert.equal(simple.wire.frames.filter((frame) => /^chat\.(done|error)$/.test(frame.event ?? "")).length, 1)
  assert.equal(wire.frames.filter((frame) => /final|aborted|error/.test(String(frame.payload?.["state"]))).length, 1)
})

test("an approval is asked of those who may decide, and of nobody when none can", async () => {
  const { wire: watcher } = await claw(4, { scopes: ["operator.read", "operator.write"] })
  fake.script({ calls: [{ name: "Bash", args: { command: "echo hi" } }] }, { text: "Not allowed." })
  await watcher.ask("chat.send", { sessionKey: "approve-none", message: "run it" })
  await watcher.until(isFinal)
  const { wire } = await claw(4, { scopes: ["operator.approvals"], caps: ["approvals"] })
  fake.script({ calls: [{ name: "Bash", args: { command: "echo hi" } }] }, { text: "It said hi." })
  await watcher.ask("chat.send", { sessionKey: "approve-one", message: "run it" })
  const asked = await wire.until((frame) => frame.event === "exec.approval.requested")
  assert.equal(asked.payload!["request"]!["command"], "echo hi")
  const id = String(asked.payload!["id"])
  assert.equal((await wire.ask("exec.approval.resolve", { id, decision: "allow-once" })).ok, true)
  const resolved = await wire.until((frame) => frame.event === "exec.approval.resolved")
  assert.equal(String(resolved.payload!["decision"]), "allow-once")
  await watcher.until((frame) => isFinal(frame) && String(frame.payload!["sessionKey"]) === "agent:main:approve-one")
  assert.ok(!watcher.frames.some((frame) => frame.event?.startsWith("exec.")))
  assert.ok(
    !wire.frames.some((frame) => frame.event === "chat" || frame.event === "agent"),
    "and hears no conversation",
  )
})

for (const how of ["connect.resume", "events.resume"] as const)
  test(`${how} gives a client that was cut off what it missed, in order, once`, async () => {
    const gate = Promise.withResolvers<void>()
    fake.script({ text: "First and then the rest of it.", gate: gate.promise })
    const first = await claw(4)
    const connId = String(first.hello["server"]!["connId"])
    await first.wire.ask("chat.send", { sessionKey: `resume-${how}`, message: "hi" })
    await first.wire.until((frame) => frame.event === "chat" && String(frame.payload!["state"]) === "delta")
    const lastSeq = first.wire.frames.at(-1)!.seq!
    const witness = await claw(4)
    first.wire.socket.terminate()
    await first.wire.closed
    gate.resolve()
    await witness.wire.until(isFinal)
    const resume = { connId, lastSeq }
    const second = await claw(4, how === "connect.resume" ? { resume } : {})
    const result =
      how === "connect.resume" ? second.hello["resume"] : (await second.wire.ask("events.resume", resume)).payload
    assert.equal(result?.["resumed"], true)
    await second.wire.until(isFinal)
    const numbers = second.wire.frames.flatMap((frame) => frame.seq ?? [])
    assert.deepEqual(
      numbers,
      numbers.map((_, i) => lastSeq + 1 + i),
    )
    assert.equal(Number(result["seq"]), numbers.at(-1))
    const helloAt = second.wire.frames.findIndex((frame) => frame.type === "res")
    assert.ok(second.wire.frames.findIndex((frame) => frame.seq !== undefined) > helloAt, "nothing comes before hello")
    const again = await claw(4, { resume })
    assert.equal(again.hello["resume"]!["resumed"], false, "once only")
  })

test("a client may come back before the end of its old socket has been noticed; nobody else can end it so", async () => {
  const first = await claw(4)
  const resume = { connId: String(first.hello["server"]!["connId"]), lastSeq: 0 }
  const lesser = await claw(4, { scopes: ["operator.read"], resume })
  assert.equal(lesser.hello["resume"]!["resumed"], false)
  assert.equal((await first.wire.ask("health")).ok, true)
  const second = await claw(4, { resume })
  assert.equal(second.hello["resume"]!["resumed"], true)
  assert.deepEqual(await first.wire.closed, { code: 1008, reason: "taken over by a newer connection" })
})

test("who comes and goes is told with a version; the command line is not listed", async () => {
  const { wire, hello } = await claw(4, { scopes: ["operator.read"] })
  const before = Number(hello["snapshot"]!["stateVersion"]!["presence"])
  const client = { id: "openclaw-tui", version: "1", platform: "linux", mode: "ui", instanceId: "i-1" }
  const tui = await claw(4, { client })
  const came = await wire.until((frame) => frame.event === "presence" && JSON.stringify(frame).includes("i-1"))
  assert.ok(came.stateVersion!.presence > before)
  tui.wire.socket.close()
  await wire.until(
    (frame) => frame.event === "presence" && /"reason":"disconnect"[^}]*"i-1"/.test(JSON.stringify(frame)),
  )
  const { payload } = await wire.ask("system-presence")
  assert.ok(!(plain(payload) as { mode?: string }[]).some((entry) => entry.mode === "cli"))
})

test("strict: unknown clients, modes and params are refused as the original gateway does", async (t) => {
  const strict = await startHouse({ config: { gateway: { strict: true } } })
  t.after(() => strict.close())
  const connect = async (client: Record<string, string>) => {
    const wire = await openRaw(strict.wsUrl)
    open.push(wire)
    return { wire, answer: await wire.ask("connect", clawConnect(4, strict.token, { client })) }
  }
  for (const client of [
    { ...CLI, id: "my-own" },
    { ...CLI, mode: "operator" },
  ]) {
    const { wire, answer } = await connect(client)
    assert.match(answer.error!.message, /^invalid connect params: at \/client\/(id|mode): /)
    assert.equal((await wire.closed).code, 1008)
  }
  const { wire } = await connect({ ...CLI, id: "openclaw-tui" })
  assert.match((await wire.ask("health", { colour: 1 })).error!.message, /unexpected property 'colour'/)
})

test("without authentication this machine needs no token, and a page still gets nowhere", async (t) => {
  const bare = await startHouse({ config: { gateway: { auth: { mode: "none" } } }, env: { PINCER_GATEWAY_TOKEN: "" } })
  t.after(() => bare.close())
  const wire = await openRaw(bare.wsUrl)
  open.push(wire)
  const answer = await wire.ask("connect", clawConnect(4, "", { auth: undefined }))
  assert.equal(answer.payload?.["auth"]?.["method"], "none")
  await assert.rejects(openRaw(bare.wsUrl, { headers: { origin: "https://evil.example" } }), /403/)
  const away = await openRaw(bare.wsUrl, AWAY)
  open.push(away)
  const refused = await away.ask("connect", clawConnect(4, "", { auth: undefined }))
  assert.equal(refused.error?.code, "NOT_PAIRED")
})
